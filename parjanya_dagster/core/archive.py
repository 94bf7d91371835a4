"""The archive: the stores seen whole, as adoption reads them and erasure empties them.

A port of its own, apart from those of the daily work: nothing that happens per image lists every version or
takes anything away for good, and so nothing but a person's command needs the right to.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version of an object, or a marker that hides those before it.

    Args:
        version_id: None for the only version in a bucket without versioning.
        etag: without quotes; None for a marker.
        is_current: what a reader without a version gets.
    """

    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    size_bytes: int
    modified_at: datetime
    is_current: bool
    is_marker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePage:
    """Some records of a foreign table, and where to go on; `after` is None at its end."""

    records: Sequence[Mapping[str, Any]]
    after: str | None


class Archive(Protocol):
    """Every version, every item. Every method may raise `EdgeError`."""

    def versions(self, bucket: str, *, prefix: str = "", after_key: str = "") -> Iterator[ObjectVersion]:
        """Yield every version and marker of a bucket, by key; a bucket that is not there has none.

        Args:
            after_key: the last key that is not wanted any more.
        """
        ...

    def delete_versions(self, versions: Sequence[ObjectVersion]) -> None:
        """Delete versions and markers for good; one that is not there is no error."""
        ...

    def remove_bucket(self, bucket: str) -> bool:
        """Delete an empty bucket; False when it holds something again. One that is not there is removed."""
        ...

    def records(self, table: str, *, after: str | None, limit: int) -> TablePage:
        """Return up to `limit` records of any table, in the order it has."""
        ...

    def evidence(self, key: ImageKey) -> list[str]:
        """Return the names of the items that an image has beside its head, sorted."""
        ...

    def delete_evidence(self, key: ImageKey, names: Sequence[str]) -> None:
        """Delete such items; one that is not there is no error."""
        ...

    def bury(self, before: ImageRow, tombstone: ImageRow) -> bool:
        """Put a tombstone in place of the whole head, also of what other versions wrote into it.

        Conditional on the status and generation of `before`; False when the stored head has moved on.
        """
        ...

    def forget_tokens(self, tenant_id: str) -> int:
        """Delete every token that speaks for a tenant; return how many there were."""
        ...

    def forget_tenant(self, tenant_id: str) -> None:
        """Delete a tenant's registry marker; one that is not there is no error."""
        ...
