"""Sending photos through the upload API, as any client does: ask, then PUT with the signed headers."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from parjanya_dagster.cli.journal import Journal, Sent
from parjanya_dagster.cli.photos import content_type_of
from parjanya_dagster.core.errors import InvalidRequestError, UnavailableError

Answer = TypeVar("Answer")

_TRIES: Final = 3
_PAUSE_S: Final = 0.5
_TIMEOUT_S: Final = 120.0
_BLOCK_BYTES: Final = 1 << 20
_ALREADY_THERE: Final = 412
_TOKEN_PROBLEMS: Final = frozenset({401, 403, 404})


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What became of one file.

    Args:
        image_id: the image, or None when the file was not uploaded.
        was_known: the content was uploaded before, and nothing was sent.
        problem: why the file was not uploaded.
    """

    path: Path
    image_id: str | None = None
    was_known: bool = False
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadApi:
    """The upload API of one tenant.

    Args:
        url: the web app, e.g. `http://127.0.0.1:8080`.
        secret: a token that may upload.
    """

    url: str
    tenant_id: str
    secret: str

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to POST /api/v1/uploads.

        Raises:
            InvalidRequestError: the token is wrong or may not upload; no other file would fare better.
            _RefusedError: this one file was refused.
            UnavailableError: the API did not answer.
        """
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        url = f"{self.url}/api/v1/uploads?tenant={quote(self.tenant_id)}"
        status, body = _call("POST", url, headers=headers, body=json.dumps(request).encode())
        try:
            answer: dict[str, Any] = json.loads(body)
        except json.JSONDecodeError:
            answer = {"message": f"{url} answered {status}; is this Parjanya's web app?"}
        if status in _TOKEN_PROBLEMS:
            raise InvalidRequestError(str(answer.get("message")))
        if status != http.client.CREATED:
            raise _RefusedError(str(answer.get("message")))
        return answer


def send_all(
    api: UploadApi,
    paths: Sequence[Path],
    *,
    journal: Journal | None,
    priority: str = "normal",
    workers: int = 4,
) -> Iterator[Upload]:
    """Upload files side by side; yield each as it ends, in the order given.

    Args:
        journal: contents to skip and where finished ones are noted; None sends everything.

    Raises:
        InvalidRequestError: the token is refused.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        yield from pool.map(lambda path: _send(api, path, journal=journal, priority=priority), paths)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _RefusedError(Exception):
    """One file was refused; the others may not be."""


def _send(api: UploadApi, path: Path, *, journal: Journal | None, priority: str) -> Upload:
    try:
        size_bytes, digest = _measure(path)
    except OSError as error:
        return Upload(path=path, problem=f"cannot be read: {error.strerror or error}")
    if size_bytes == 0:
        return Upload(path=path, problem="empty")
    if journal and (known := journal.find(digest)):
        return Upload(path=path, image_id=known.image_id, was_known=True)
    request = {
        "file_name": path.name,
        "content_type": content_type_of(path),
        "size_bytes": size_bytes,
        "sha256": digest,
        "priority": priority,
    }
    try:
        ticket = _persist(lambda: api.ask(request))
        _persist(lambda: _put(ticket, path, size_bytes))
    except (_RefusedError, UnavailableError, OSError) as error:
        return Upload(path=path, problem=str(error))
    if journal:
        journal.add(Sent(sha256=digest, image_id=ticket["image_id"], file_name=path.name))
    return Upload(path=path, image_id=ticket["image_id"])


def _measure(path: Path) -> tuple[int, str]:
    digest, size_bytes = sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size_bytes += len(block)
    return size_bytes, digest.hexdigest()


def _put(ticket: Mapping[str, Any], path: Path, size_bytes: int) -> None:
    with path.open("rb") as file:
        headers = {**ticket["headers"], "Content-Length": str(size_bytes)}
        status, body = _call("PUT", ticket["url"], headers=headers, body=file)
    # a retry after a lost answer finds its own bytes there: the checksum is signed, so they are the same
    if status not in (http.client.OK, _ALREADY_THERE):
        raise _RefusedError(f"storage answered {status}: {body[:300].decode(errors='replace')}")


def _persist(call: Callable[[], Answer]) -> Answer:
    """Return what `call` returns, trying again while the other side is away."""
    for attempt in range(1, _TRIES):
        try:
            return call()
        except UnavailableError:
            time.sleep(_PAUSE_S * attempt)
    return call()


def _call(method: str, url: str, *, headers: Mapping[str, str], body: Any) -> tuple[int, bytes]:  # noqa: ANN401 - bytes or a file
    request = urllib.request.Request(url, method=method, headers=dict(headers), data=body)  # noqa: S310 - see below
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - http(s) of our API
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            if error.code >= http.client.INTERNAL_SERVER_ERROR:
                raise UnavailableError(f"{method} {_shown(url)} answered {error.code}") from error
            return error.code, error.read()
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise UnavailableError(
            f"{_shown(url)} does not answer ({reason}): is it running? `parjanya up`"
        ) from error


def _shown(url: str) -> str:
    """Return an address without its signature, which must not be shown."""
    return url.partition("?")[0]
