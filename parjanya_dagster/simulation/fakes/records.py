"""In-memory twin of the records."""

from collections.abc import Mapping
from datetime import datetime
from threading import RLock
from typing import Any, Final

from parjanya_dagster.core.records import Document, RecordKind
from parjanya_dagster.simulation.fakes.calls import Calls

_RESERVED: Final = frozenset({"pk", "sk", "expires_at"})


class FakeRecords:
    """Documents in dictionaries; safe to share between threads. Nothing expires by itself."""

    def __init__(self, calls: Calls | None = None) -> None:
        self._documents: dict[RecordKind, dict[str, dict[str, Any]]] = {kind: {} for kind in RecordKind}
        self._calls = calls or Calls()
        self._lock = RLock()

    def put(
        self, kind: RecordKind, record_id: str, document: Document, *, expires_at: datetime | None = None
    ) -> None:
        """See `Records`."""
        del expires_at
        with self._lock, self._calls("records.put"):
            self._documents[kind][record_id] = _checked(document)

    def create(
        self, kind: RecordKind, record_id: str, document: Document, *, expires_at: datetime | None = None
    ) -> bool:
        """See `Records`."""
        del expires_at
        with self._lock, self._calls("records.create"):
            if record_id in self._documents[kind]:
                return False
            self._documents[kind][record_id] = _checked(document)
            return True

    def replace(self, kind: RecordKind, record_id: str, before: Document, after: Document) -> bool:
        """See `Records`."""
        with self._lock, self._calls("records.replace"):
            if self._documents[kind].get(record_id) != _checked(before):
                return False
            self._documents[kind][record_id] = _checked(after)
            return True

    def get(self, kind: RecordKind, record_id: str) -> dict[str, Any] | None:
        """See `Records`."""
        with self._lock, self._calls("records.get"):
            found = self._documents[kind].get(record_id)
            return None if found is None else _copied(found)

    def newest(
        self, kind: RecordKind, *, limit: int, before_id: str | None = None
    ) -> list[tuple[str, dict[str, Any]]]:
        """See `Records`."""
        with self._lock, self._calls("records.newest"):
            ids = sorted(self._documents[kind], reverse=True)
            wanted = [each for each in ids if before_id is None or each < before_id][:limit]
            return [(each, _copied(self._documents[kind][each])) for each in wanted]

    def remove(self, kind: RecordKind, record_id: str) -> None:
        """See `Records`."""
        with self._lock, self._calls("records.remove"):
            self._documents[kind].pop(record_id, None)

    def add(self, kind: RecordKind, record_id: str, changes: Mapping[str, int]) -> None:
        """See `Records`."""
        if not changes:
            return
        with self._lock, self._calls("records.add"):
            document = self._documents[kind].setdefault(record_id, {})
            for name, change in changes.items():
                document[name] = document.get(name, 0) + change


def _checked(document: Document) -> dict[str, Any]:
    reserved = _RESERVED & document.keys()
    if reserved:
        raise ValueError(f"a record has no fields named {', '.join(sorted(reserved))}")
    return {str(name): _stored(value) for name, value in document.items()}


def _stored(value: Any) -> Any:  # noqa: ANN401 - any plain value
    """Return a value as a store hands it back: sequences are lists, and nothing is shared."""
    if isinstance(value, Mapping):
        return {str(name): _stored(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_stored(each) for each in value]
    return str(value) if isinstance(value, str) else value


def _copied(document: Document) -> dict[str, Any]:
    return {name: _plain(value) for name, value in document.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain values only; copy.deepcopy takes ten times as long
    if isinstance(value, Mapping):
        return _copied(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
