"""The plan of a replay: which rows, as they were when somebody looked, and the digest that names the list.

What was reviewed is what is carried out: a row that has moved since is skipped, and a list that was edited is
refused.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import remembered_as
from parjanya_dagster.core.reconcile.replay import Boundary, Refusal, is_held_back, refusal
from parjanya_dagster.core.truth.identity import ImageKey, image_key_from, new_image_id
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status, Verdict

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which images; every criterion that is given must hold.

    Args:
        keys: these images, looked up one by one; empty looks through the tenants.
        tenants: whose images; empty means everybody's.
        statuses: where the rows stand; empty means anywhere.
        policy_version: which version decided.
        fingerprint: what the answers in force came from.
        verdict: what was decided.
        failure: code of the failure that ended the scoring, e.g. `oom`.
        since: uploads were asked for then or later.
        until: … and before then.
    """

    keys: tuple[ImageKey, ...] = ()
    tenants: tuple[str, ...] = ()
    statuses: frozenset[Status] = frozenset()
    policy_version: str | None = None
    fingerprint: str | None = None
    verdict: Verdict | None = None
    failure: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Nothing was said about which images."""
        return self == Selection()

    @property
    def first_image_id(self) -> str:
        """The least id of an image uploaded at `since` or later."""
        return new_image_id(self.since, bytes(10)) if self.since else ""

    @property
    def end_image_id(self) -> str | None:
        """The least id of an image uploaded at `until` or later."""
        return new_image_id(self.until, bytes(10)) if self.until else None

    def includes(self, key: ImageKey) -> bool:
        """Whether what an image's key tells fits: which one it is, whose, and since when."""
        end = self.end_image_id
        return (
            (not self.keys or key in self.keys)
            and (not self.tenants or key.tenant_id in self.tenants)
            and key.image_id >= self.first_image_id
            and (end is None or key.image_id < end)
        )

    def matches(self, row: ImageRow) -> bool:
        """Whether what the head tells fits; the fingerprint stands in the result."""
        decision = row.decision
        return (
            self.includes(row.key)
            and (not self.statuses or row.status in self.statuses)
            and (self.policy_version is None or _of(decision, "policy_version") == self.policy_version)
            and (self.verdict is None or _of(decision, "verdict") == self.verdict)
            and (self.failure is None or failure_of(row) == self.failure)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row as it was when the plan was made."""

    key: ImageKey
    generation: int
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """The rows that a replay moves, in the order of their keys, and where to.

    Args:
        action: `replay` or `redrive`.
        fleet: the extra fleet that scores them from now on, or `default`; None changes nothing.
        letters: dead letters, by id, that the redrive settles, and the image each is about.
    """

    action: str
    boundary: Boundary
    lane: Lane
    made_at: datetime
    entries: tuple[Entry, ...]
    letters: Mapping[str, ImageKey]
    fleet: str | None = None

    @property
    def digest(self) -> str:
        """sha256 over key, generation, boundary and fleet of every entry, sorted; 64 hex digits."""
        to = remembered_as(str(self.boundary), self.fleet)
        lines = (f"{entry.key}/{entry.generation}/{to}\n" for entry in self.entries)
        return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()

    def to_document(self) -> dict[str, Any]:
        """Return the form in which it is kept in a file."""
        return {
            "version": _VERSION,
            "action": self.action,
            "boundary": str(self.boundary),
            "lane": self.lane.value,
            "fleet": self.fleet,
            "made_at": self.made_at.isoformat(),
            "digest": self.digest,
            "rows": [[str(entry.key), entry.generation, entry.status.value] for entry in self.entries],
            "letters": {letter: str(key) for letter, key in self.letters.items()},
        }

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Return the plan that `to_document` wrote.

        Raises:
            InvalidRequestError: it is no plan, or somebody changed its rows.
        """
        try:
            return cls._read(document)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidRequestError(f"this is not a plan that a preview wrote: {error!r}") from error

    @classmethod
    def _read(cls, document: Any) -> Self:  # noqa: ANN401 - whatever a file holds
        if document["version"] != _VERSION:
            raise InvalidRequestError(f"a plan of version {document['version']}: make it again")
        plan = cls(
            action=document["action"],
            boundary=Boundary.parsed(document["boundary"]),
            lane=Lane(document["lane"]),
            made_at=datetime.fromisoformat(document["made_at"]),
            entries=tuple(
                Entry(key=image_key_from(key), generation=int(generation), status=Status(status))
                for key, generation, status in document["rows"]
            ),
            letters={letter: image_key_from(key) for letter, key in document["letters"].items()},
            fleet=document.get("fleet"),
        )
        if plan.digest != document["digest"]:
            raise InvalidRequestError("the rows of this plan were changed after its preview: make it again")
        return plan


def planned(
    action: str,
    rows: Iterable[ImageRow],
    boundary: Boundary,
    *,
    lane: Lane,
    now: datetime,
    letters: Mapping[str, ImageKey] | None = None,
    fleet: str | None = None,
) -> ReplayPlan:
    """Return the plan for rows that nothing speaks against."""
    entries = (Entry(key=row.key, generation=row.generation, status=row.status) for row in rows)
    return ReplayPlan(
        action=action,
        boundary=boundary,
        lane=lane,
        made_at=now,
        entries=tuple(sorted(entries, key=lambda entry: entry.key)),
        letters=letters or {},
        fleet=fleet,
    )


def moved_since(entry: Entry, row: ImageRow | None, boundary: Boundary) -> Refusal | None:
    """Return why an entry is not carried out on the row as it is now, or None while it still stands there."""
    if row is None:
        return Refusal.MISSING
    if row.generation == entry.generation + 1 or (
        row.generation == entry.generation and _was_let_go(entry, row)
    ):
        return Refusal.REPLAYED_ALREADY
    if (row.generation, row.status) != (entry.generation, entry.status):
        return Refusal.CHANGED
    return refusal(row, boundary)


def failure_of(row: ImageRow) -> str | None:
    """Return the code of the failure that ended a row's scoring, or None for a row that did not fail."""
    return (row.last_error or "").partition(":")[0] if row.status is Status.VLM_FAILED else None


def slices(entries: Sequence[Entry], size: int) -> Iterable[Sequence[Entry]]:
    """Return the entries in order, at most `size` at a time."""
    return (entries[start : start + size] for start in range(0, len(entries), size))


def _was_let_go(entry: Entry, row: ImageRow) -> bool:
    """A row that waited when the plan was made was held back, and is no more; a rejected one left that."""
    if entry.status is Status.REJECTED_TECHNICAL:
        return row.status not in (entry.status, Status.ERASED)
    return not entry.status.is_settled and not is_held_back(row)


def _of(decision: object, name: str) -> object:
    return getattr(decision, name, None)
