"""A client as any other: asks for an upload, PUTs the photo, and tries again while the other side is away."""

import io
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Final, TypeVar

import httpx
import numpy as np
from PIL import Image

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.uploads import UploadRequest, UploadTicket, request_upload
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.ports import Token
from parjanya_dagster.core.truth.identity import ImageKey

_SIDE_BY_SIDE: Final = 4
_PATIENCE_S: Final = 300.0
_PAUSE_S: Final = 0.5

Answer = TypeVar("Answer")


class Client:
    """A photographer of one tenant."""

    def __init__(self, platform: Platform, tenant_id: str) -> None:
        self._platform = platform
        self._token = Token(tenant_id=tenant_id, role="photographer", subject="line")
        self.keys: list[ImageKey] = []

    def upload(self, count: int) -> None:
        """Upload photos, four at a time, and note their keys; survives an outage of the other side."""
        first = len(self.keys)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            list(pool.map(self._upload_one, range(first, first + count)))

    def uploading(self, count: int) -> "Future[None]":
        """Upload photos in the background."""
        pool = ThreadPoolExecutor(1)
        uploads = pool.submit(self.upload, count)
        pool.shutdown(wait=False)
        return uploads

    def _upload_one(self, number: int) -> None:
        body = _photo(number)
        request = UploadRequest(
            file_name=f"{number}.jpg",
            content_type="image/jpeg",
            size_bytes=len(body),
            sha256=sha256(body).hexdigest(),
        )
        ticket = _persist(lambda: request_upload(self._platform, self._token, request))
        _persist(lambda: _put(ticket, body))
        self.keys.append(ImageKey(tenant_id=self._token.tenant_id, image_id=ticket.image_id))


def _persist(call: Callable[[], Answer]) -> Answer:
    """Return what `call` returns, trying again while the other side is away."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return call()
        except (UnavailableError, httpx.TransportError):
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


def _put(ticket: UploadTicket, body: bytes) -> None:
    answer = httpx.put(ticket.put.url, content=body, headers=dict(ticket.put.headers), timeout=60)
    if answer.is_server_error:
        raise UnavailableError(f"the PUT was answered {answer.status_code}")
    # after an answer that was lost, the retry finds its own bytes there
    if answer.status_code != httpx.codes.PRECONDITION_FAILED:
        answer.raise_for_status()


def _photo(number: int) -> bytes:
    """Return an 800 x 600 JPEG unlike the others."""
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((800, 600), Image.Resampling.BICUBIC)).astype(np.int16)
    grainy = smooth + random.integers(-12, 13, smooth.shape, dtype=np.int16)
    body = io.BytesIO()
    Image.fromarray(np.clip(grainy, 0, 255).astype(np.uint8)).save(body, "JPEG", quality=88)
    return body.getvalue()
