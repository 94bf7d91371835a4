"""In-memory twin of the archive: the other fakes, seen whole."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parjanya_dagster.core.archive import ObjectVersion, TablePage
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.simulation.fakes.calls import Calls
from parjanya_dagster.simulation.fakes.control import FakeControlStore
from parjanya_dagster.simulation.fakes.images import FakeImageStore
from parjanya_dagster.simulation.fakes.objects import FakeObjectStore, FakeTenantBuckets


class FakeArchive:
    """See `Archive`; `tables` are foreign tables by name."""

    def __init__(
        self,
        objects: FakeObjectStore,
        images: FakeImageStore,
        buckets: FakeTenantBuckets,
        control: FakeControlStore,
        calls: Calls | None = None,
    ) -> None:
        self.tables: dict[str, list[Mapping[str, Any]]] = {}
        self._objects = objects
        self._images = images
        self._buckets = buckets
        self._control = control
        self._calls = calls or Calls()

    def versions(self, bucket: str, *, prefix: str = "", after_key: str = "") -> Iterator[ObjectVersion]:
        """See `Archive`."""
        with self._calls("archive.versions"):
            found = self._objects.versions_in(bucket)
            yield from [each for each in found if each.key.startswith(prefix) and each.key > after_key]

    def delete_versions(self, versions: Sequence[ObjectVersion]) -> None:
        """See `Archive`."""
        with self._calls("archive.delete_versions"):
            for each in versions:
                self._objects.lose_version(each.bucket, each.key, each.version_id)

    def remove_bucket(self, bucket: str) -> bool:
        """See `Archive`."""
        with self._calls("archive.remove_bucket"):
            if self._objects.versions_in(bucket):
                return False
            if bucket in self._buckets.created:
                self._buckets.created.remove(bucket)
            return True

    def records(self, table: str, *, after: str | None, limit: int) -> TablePage:
        """See `Archive`."""
        with self._calls("archive.records"):
            start = int(after or 0)
            found = self.tables[table][start : start + limit]
            is_end = start + limit >= len(self.tables[table])
            return TablePage(records=found, after=None if is_end else str(start + limit))

    def evidence(self, key: ImageKey) -> list[str]:
        """See `Archive`."""
        with self._calls("archive.evidence"):
            return self._images.evidence_of(key)

    def delete_evidence(self, key: ImageKey, names: Sequence[str]) -> None:
        """See `Archive`."""
        with self._calls("archive.delete_evidence"):
            self._images.lose_evidence(key, names)

    def bury(self, before: ImageRow, tombstone: ImageRow) -> bool:
        """See `Archive`."""
        with self._calls("archive.bury"):
            return self._images.replace_head(before, tombstone)

    def forget_tokens(self, tenant_id: str) -> int:
        """See `Archive`."""
        with self._calls("archive.forget_tokens"):
            tokens = self._control._tokens  # noqa: SLF001 - both edges work on the one control table
            mine = [digest for digest, token in tokens.items() if token.tenant_id == tenant_id]
            for digest in mine:
                del tokens[digest]
            return len(mine)

    def forget_tenant(self, tenant_id: str) -> None:
        """See `Archive`."""
        with self._calls("archive.forget_tenant"):
            self._control._tenants.pop(tenant_id, None)  # noqa: SLF001 - same
