"""Host overhead of the worker: images per second and core with an engine that costs nothing.

    python -m benchmarks.worker [--images 2000] [--endpoint]

Everything but the engine's arithmetic is real: messages, rows, facts, PNGs at the model's grid, decoding,
decisions by the shipped policy, results and heads. Over fakes it is the worker's own cost; with
`--endpoint` boto3 and a local AWS process on the same machine are in it too.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from gpu_worker.drain import drain
from gpu_worker.engines.engine import ScorableImage
from gpu_worker.limits import worker_limits
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from gpu_worker.score import Scorer
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.core.execution.fingerprint import FingerprintParts
from parjanya_dagster.core.intent.job import job_for
from parjanya_dagster.core.truth.answers import Answer, Answers
from parjanya_dagster.imaging.previews import encode_png
from parjanya_dagster.local.credentials import Profile, local_environment
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.settings import load_settings
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from parjanya_dagster.wiring import platform_from
from tests.builders import a_row, an_original, previews_of, some_facts

TENANT = "bench"
GRID = (608, 928)


@dataclass(frozen=True, slots=True)
class FreeEngine:
    """Answers every image with one stored answer."""

    answers: Answers
    name: str = "free"

    @property
    def pixel_budgets(self) -> tuple[int, ...]:
        """See `Engine`."""
        return ()

    def bucket_of(self, image: ScorableImage) -> str:
        """See `Engine`."""
        return f"{image.pixels.shape[0]}x{image.pixels.shape[1]}"

    def fingerprint_parts(self, pack: PromptPack, *, pixel_budget: int | None = None) -> FingerprintParts:
        """See `Engine`."""
        del pixel_budget
        raise NotImplementedError(f"{pack.id} is not weighed here")

    def fingerprint(self, pack: PromptPack, *, pixel_budget: int | None = None) -> str:
        """See `Engine`."""
        del pixel_budget
        return f"free:{pack.id}"

    def answer(
        self, images: Sequence[ScorableImage], pack: PromptPack, *, pixel_budget: int | None = None
    ) -> list[Answers]:
        """See `Engine`."""
        del pack, pixel_budget
        return [self.answers] * len(images)


def free_scorer() -> Scorer:
    """Return a scorer whose engine costs nothing."""
    pack = shipped_pack()
    answers = [
        Answer.from_probabilities(
            question.id,
            {label: 1 / len(question.labels) for label in question.label_names},
            values=question.values,
        )
        for question in pack.questions
    ]
    return Scorer(engine=FreeEngine(Answers.of(*answers, fingerprint="free")), pack=pack)


def fill(platform: Platform, count: int, put_object: Callable[[str, str, bytes], object]) -> None:
    """Put images as ingestion leaves them, and send their jobs."""
    publish_policy(platform, shipped_policy().canonical)
    noise = np.random.default_rng(7).integers(0, 256, (*GRID, 3), dtype=np.uint8)
    preview = encode_png(Image.fromarray(noise))
    bucket = platform.names.uploads_bucket(TENANT)
    for number in range(1, count + 1):
        row = a_row(number, tenant_id=TENANT)
        now = platform.clock()
        row = replace(
            row, original=an_original(row.key, bucket=bucket), intent_at=now, intent_id=f"intent-{number}"
        )
        put_object(bucket, previews_of(row.key).model_key, preview)
        platform.images.put_facts(row.key, some_facts())
        platform.images.create(row)
        platform.queue.send([job_for(row, names=platform.names, intent_id=f"intent-{number}", now=now)])


def measure(platform: Platform, count: int, name: str) -> None:
    """Drain the images and print what it cost this process."""
    cpu_at, wall_at = time.process_time(), time.perf_counter()
    done_at: list[tuple[float, float]] = []

    def note(settled: int) -> None:
        if settled >= count and not done_at:
            done_at.append((time.process_time(), time.perf_counter()))

    report = drain(
        platform,
        free_scorer(),
        scored_by="headless:bench",
        until=lambda: bool(done_at),
        progress=lambda report: note(len(report.settled)),
        deadline_s=300,
        limits=worker_limits(platform.limits),
    )
    cpu_s, wall_s = time.process_time() - cpu_at, time.perf_counter() - wall_at
    print(
        f"{name:<22} {count:>6} {wall_s:>8.2f} {cpu_s:>8.2f} {count / cpu_s:>12.0f} {count / wall_s:>10.0f}"
        f"   {dict(report.outcomes)}"
    )


def over_fakes(count: int) -> None:
    """Measure the worker's own cost."""
    fakes = a_fake_platform(plane="worker")
    platform = replace(fakes.platform(), clock=lambda: datetime.now(tz=UTC))
    fill(platform, count, fakes.objects.add)
    measure(platform, count, "fakes")


def over_endpoint(count: int) -> None:
    """Measure with boto3 and a local AWS process."""
    with tempfile.TemporaryDirectory() as directory:
        aws = LocalAws.start(Path(directory), 0, ends_with_parent=True)
        try:
            deploy_locally(aws, prefix="parjanya-bench")
            os.environ.update(local_environment(aws, Profile.OPERATOR, prefix="parjanya-bench"))
            operator = platform_from(load_settings(), plane="cli")
            operator.buckets.ensure(TENANT)

            def put(bucket: str, key: str, body: bytes) -> None:
                operator.objects.put(bucket, key, body, content_type="image/png")

            fill(operator, count, put)
            os.environ.update(local_environment(aws, Profile.WORKER, prefix="parjanya-bench"))
            measure(platform_from(load_settings(), plane="worker"), count, "local AWS process")
        finally:
            aws.stop()


def main() -> None:
    """Print one row per surrounding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--endpoint", action="store_true", help="also against a local AWS process")
    options = parser.parse_args()
    heading = f"{'surroundings':<22} {'images':>6} {'wall s':>8} {'CPU s':>8} {'images/s/core':>12}"
    print(f"{heading} {'images/s':>10}")
    over_fakes(options.images)
    if options.endpoint:
        over_endpoint(min(options.images, 400))


if __name__ == "__main__":
    main()
