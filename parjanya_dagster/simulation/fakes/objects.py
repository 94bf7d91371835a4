"""In-memory twins of the tenants' buckets and of their provisioning."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import md5, sha256
from http import HTTPStatus
from threading import RLock

from parjanya_dagster.core.archive import ObjectVersion
from parjanya_dagster.core.names import ORIGINALS, Names
from parjanya_dagster.core.ports import ObjectInfo, PresignedPut
from parjanya_dagster.simulation.fakes.calls import Calls


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    bucket: str
    key: str
    size_bytes: int
    sha256: str
    headers: Mapping[str, str]
    expires_at: datetime


class FakeObjectStore:
    """Versioned objects in dictionaries; safe to share between threads.

    `on_created` is told of every object that was put: what the bucket would tell EventBridge.
    """

    def __init__(self, clock: Callable[[], datetime], calls: Calls | None = None) -> None:
        self.on_created: Callable[[ObjectInfo], None] = lambda _info: None
        self._clock = clock
        self._calls = calls or Calls()
        self._versions: dict[tuple[str, str], list[tuple[ObjectInfo, bytes]]] = {}
        self._markers: dict[tuple[str, str], datetime] = {}
        self._signed: dict[str, _Signed] = {}
        self._lock = RLock()

    def add(self, bucket: str, key: str, body: bytes) -> ObjectInfo:
        """Put an object as a test's starting point; return what S3 would say of it."""
        with self._lock:
            versions = self._versions.setdefault((bucket, key), [])
            self._markers.pop((bucket, key), None)
            info = ObjectInfo(
                bucket=bucket,
                key=key,
                version_id=f"version-{len(versions) + 1}",
                etag=md5(body, usedforsecurity=False).hexdigest(),
                size_bytes=len(body),
                modified_at=self._clock(),
            )
            versions.append((info, body))
            self.on_created(info)
            return info

    def lose(self, bucket: str, key: str) -> None:
        """Lose an object with all its versions."""
        with self._lock:
            self._versions.pop((bucket, key), None)

    def hide(self, bucket: str, key: str) -> None:
        """Put a marker over an object, as a deletion without a version does."""
        with self._lock:
            self._markers[bucket, key] = self._clock()

    def versions_in(self, bucket: str) -> list[ObjectVersion]:
        """Return every version and marker in a bucket, by key."""
        with self._lock:
            stored = [
                ObjectVersion(
                    bucket=bucket,
                    key=info.key,
                    version_id=info.version_id,
                    etag=info.etag,
                    size_bytes=info.size_bytes,
                    modified_at=info.modified_at,
                    is_current=info is versions[-1][0] and place not in self._markers,
                )
                for place, versions in self._versions.items()
                for info, _ in versions
                if place[0] == bucket
            ]
            markers = [
                ObjectVersion(
                    bucket=bucket,
                    key=key,
                    version_id="marker",
                    etag=None,
                    size_bytes=0,
                    modified_at=at,
                    is_current=True,
                    is_marker=True,
                )
                for (where, key), at in self._markers.items()
                if where == bucket
            ]
            return sorted([*stored, *markers], key=lambda each: each.key)

    def lose_version(self, bucket: str, key: str, version_id: str | None) -> None:
        """Lose one version of an object, or the marker over it."""
        with self._lock:
            if version_id == "marker":
                self._markers.pop((bucket, key), None)
                return
            versions = self._versions.get((bucket, key), [])
            left = [each for each in versions if each[0].version_id != version_id]
            if left:
                self._versions[bucket, key] = left
            else:
                self._versions.pop((bucket, key), None)

    def http_put(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Do what a client does with a presigned URL; return the HTTP status S3 answers."""
        with self._lock:
            signed = self._signed.get(url)
            if signed is None or self._clock() >= signed.expires_at or dict(headers) != dict(signed.headers):
                return HTTPStatus.FORBIDDEN
            if len(body) != signed.size_bytes:
                return HTTPStatus.FORBIDDEN
            if sha256(body).hexdigest() != signed.sha256:
                return HTTPStatus.BAD_REQUEST
            if (signed.bucket, signed.key) in self._versions:
                return HTTPStatus.PRECONDITION_FAILED
            self.add(signed.bucket, signed.key, body)
            return HTTPStatus.OK

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectInfo | None:
        """See `ObjectStore`."""
        with self._lock, self._calls("objects.head"):
            found = self._found(bucket, key, version_id)
            return found and found[0]

    def get(self, bucket: str, key: str, *, version_id: str | None = None) -> bytes | None:
        """See `ObjectStore`."""
        with self._lock, self._calls("objects.get"):
            found = self._found(bucket, key, version_id)
            return found and found[1]

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str) -> None:
        """See `ObjectStore`."""
        del content_type
        with self._calls("objects.put"):
            self.add(bucket, key, body)

    def originals(self, bucket: str, *, from_id: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore`."""
        with self._lock, self._calls("objects.originals"):
            keys = sorted(key for where, key in self._versions if where == bucket)
            wanted = [
                key
                for key in keys
                if key.startswith(ORIGINALS)
                and key > f"{ORIGINALS}{from_id}"
                and (bucket, key) not in self._markers
            ]
            yield from [self._versions[bucket, key][-1][0] for key in wanted]

    def presign_put(
        self, bucket: str, key: str, *, content_type: str, size_bytes: int, sha256: str, expires_s: int
    ) -> PresignedPut:
        """See `ObjectStore`; `http_put` accepts the URL."""
        with self._lock, self._calls("objects.presign_put"):
            url = f"https://fake.invalid/{bucket}/{key}?signature={len(self._signed)}"
            headers = {"Content-Type": content_type, "If-None-Match": "*"}
            expires_at = self._clock() + timedelta(seconds=expires_s)
            self._signed[url] = _Signed(
                bucket=bucket,
                key=key,
                size_bytes=size_bytes,
                sha256=sha256,
                headers=headers,
                expires_at=expires_at,
            )
            return PresignedPut(url=url, headers=headers, expires_at=expires_at)

    def presign_get(self, bucket: str, key: str, *, expires_s: int) -> str:
        """See `ObjectStore`."""
        with self._calls("objects.presign_get"):
            return f"https://fake.invalid/{bucket}/{key}?expires={expires_s}"

    def _found(self, bucket: str, key: str, version_id: str | None) -> tuple[ObjectInfo, bytes] | None:
        versions = self._versions.get((bucket, key), [])
        if version_id is None and (bucket, key) in self._markers:
            return None
        wanted = [each for each in versions if version_id is None or each[0].version_id == version_id]
        return wanted[-1] if wanted else None


class FakeTenantBuckets:
    """Buckets that exist because somebody asked for them."""

    def __init__(self, names: Names, calls: Calls | None = None) -> None:
        self.created: list[str] = []
        self._names = names
        self._calls = calls or Calls()

    def ensure(self, tenant_id: str) -> str:
        """See `TenantBuckets`."""
        with self._calls("buckets.ensure"):
            bucket = self._names.uploads_bucket(tenant_id)
            if bucket not in self.created:
                self.created.append(bucket)
            return bucket

    def existing(self) -> list[str]:
        """See `TenantBuckets`."""
        with self._calls("buckets.existing"):
            return sorted(
                tenant for bucket in self.created if (tenant := self._names.tenant_of_bucket(bucket))
            )
