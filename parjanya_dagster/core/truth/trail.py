"""The audit trail: who changed what, by which plan, and how it ended.

An entry is written before the first change and written again after the last, so that a process that died in
between leaves one that never ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

DONE: Final = "done"
INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """One change of Truth that a person, or a run, asked for.

    Args:
        entry_id: begins with the time of `begun_at`, so that ids sort as time does.
        who: a login name, a token's subject, or what launched a Dagster run.
        action: what was asked for, as a command reads.
        plan_digest: of the exact list that was reviewed; None where there is no list.
        before: counts that describe what was about to change.
        after: counts of what was changed.
        ended_at: None while it goes on, and for ever if the process died.
        outcome: `done`, `interrupted`, or `failed: …`; None without an end.
    """

    entry_id: str
    who: str
    action: str
    begun_at: datetime
    plan_digest: str | None = None
    before: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, int] = field(default_factory=dict)
    ended_at: datetime | None = None
    outcome: str | None = None

    def to_document(self) -> dict[str, Any]:
        """Return the stored form; the id is stored beside it, not in it."""
        return {
            "who": self.who,
            "action": self.action,
            "plan_digest": self.plan_digest,
            "before": dict(self.before),
            "after": dict(self.after),
            "begun_at": self.begun_at.isoformat(),
            "ended_at": self.ended_at and self.ended_at.isoformat(),
            "outcome": self.outcome,
        }

    @classmethod
    def from_document(cls, entry_id: str, document: Mapping[str, Any]) -> Self:
        """Return the entry that `to_document` wrote."""
        ended_at = document["ended_at"]
        return cls(
            entry_id=entry_id,
            who=document["who"],
            action=document["action"],
            plan_digest=document["plan_digest"],
            before=document["before"],
            after=document["after"],
            begun_at=datetime.fromisoformat(document["begun_at"]),
            ended_at=ended_at and datetime.fromisoformat(ended_at),
            outcome=document["outcome"],
        )


def new_entry_id(now: datetime, entropy: bytes) -> str:
    """Return an id that begins with the time; `entropy` tells entries of one moment apart."""
    return f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}-{entropy.hex()}"
