"""Object created → job on the queue: how long the event path takes on this machine.

Starts an own local AWS with everything deployed and no workers, uploads images one after the other and reads
from each row when its job was sent. Budget (DESIGN section 14): p95 ≤ 2 s.

Run: python -m benchmarks.upload_to_intent [--images 60]
"""

import argparse
import io
import os
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import quantiles

from PIL import Image

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.uploads import UploadRequest, request_upload
from parjanya_dagster.core.ports import Token
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.local.credentials import Profile, local_environment
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.wiring import platform_from_environment

TENANT = "bench"
TOKEN = Token(tenant_id=TENANT, role="photographer", subject="bench")
DEADLINE_S = 60.0


def main() -> None:
    """Print the distribution, in seconds."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--images", type=int, default=60)
    count = arguments.parse_args().images
    with tempfile.TemporaryDirectory() as state:
        aws = LocalAws.start(Path(state), 0, ends_with_parent=True)
        try:
            names = deploy_locally(aws)
            os.environ.update(local_environment(aws, Profile.OPERATOR, prefix=names.prefix))
            platform = platform_from_environment("cli")
            add_tenant(platform, TENANT)
            seconds = [_measured(platform, index) for index in range(count)]
        finally:
            aws.stop()
    warm = sorted(seconds[3:])
    cuts = quantiles(warm, n=20)
    spread = f"p50 {cuts[9]:.2f} s, p95 {cuts[18]:.2f} s, max {warm[-1]:.2f} s"
    print(f"{len(warm)} images after 3 to warm up: {spread}")
    print(f"first image (functions start): {seconds[0]:.2f} s")


def _measured(platform: Platform, index: int) -> float:
    """Upload one image; return the seconds from the answered PUT to its job being sent."""
    body = _jpeg(index)
    request = UploadRequest(
        file_name=f"{index}.jpg",
        content_type="image/jpeg",
        size_bytes=len(body),
        sha256=sha256(body).hexdigest(),
    )
    ticket = request_upload(platform, TOKEN, request)
    put = urllib.request.Request(ticket.put.url, data=body, method="PUT", headers=dict(ticket.put.headers))  # noqa: S310 - our own loopback URL
    with urllib.request.urlopen(put) as answer:  # noqa: S310 - the same
        answer.read()
    created = datetime.now(tz=UTC)
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        row = platform.images.get(ImageKey(tenant_id=TENANT, image_id=ticket.image_id))
        if row is not None and row.intent_at is not None:
            return (row.intent_at - created).total_seconds()
        time.sleep(0.02)
    raise SystemExit(f"image {index} has no job after {DEADLINE_S:.0f} s; its row: {row}")


def _jpeg(index: int) -> bytes:
    """Return a 2000 x 1333 JPEG unlike the others."""
    picture = Image.effect_noise((2000, 1333), 40 + index % 40).convert("RGB")
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=88)
    return body.getvalue()


if __name__ == "__main__":
    main()
