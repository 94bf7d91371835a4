"""Leaving an entry in the audit trail around a change, and reading the trail.

Written as begun before the first change and as ended after the last: a crash leaves an entry that begun only.
"""

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import EdgeError, ParjanyaError
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.trail import DONE, INTERRUPTED, TrailEntry, new_entry_id

_LONGEST_OUTCOME: Final = 290
_LAUNCHERS: Final = (
    ("who", ""),
    ("dagster/schedule_name", "schedule "),
    ("dagster/sensor_name", "sensor "),
    ("dagster/backfill", "backfill "),
)
"""Tags that say who launched a run, the most telling first, and what their values are called."""


@dataclass(slots=True)
class Recording:
    """What a change tells of itself while it happens.

    Args:
        after: counts of what was changed so far.
        outcome: how it ended, if nothing is raised.
    """

    platform: Platform
    entry: TrailEntry
    after: dict[str, int] = field(default_factory=dict)
    outcome: str = DONE

    def save(self) -> None:
        """Write how far it has come, so that this is known even if the process dies.

        Raises:
            EdgeError: the trail cannot be written.
        """
        self._write(replace(self.entry, after=dict(self.after)))

    def end(self) -> None:
        """Write that it has ended.

        Raises:
            EdgeError: the trail cannot be written.
        """
        ended_at = self.platform.clock()
        ended = replace(self.entry, after=dict(self.after), ended_at=ended_at, outcome=self.outcome)
        self._write(ended)

    def _write(self, entry: TrailEntry) -> None:
        self.platform.records.put(RecordKind.TRAIL, entry.entry_id, entry.to_document())


@contextmanager
def recorded(
    platform: Platform,
    who: str,
    action: str,
    *,
    plan_digest: str | None = None,
    before: Mapping[str, int] | None = None,
) -> Iterator[Recording]:
    """Surround a change with its entry in the trail.

    Args:
        who: see `TrailEntry`.
        action: what was asked for, as a command reads; no secrets.
        before: counts that describe what is about to change.

    Raises:
        EdgeError: the trail cannot be written; nothing is changed without an entry.
    """
    now = platform.clock()
    entry = TrailEntry(
        entry_id=new_entry_id(now, platform.entropy(4)),
        who=who,
        action=action,
        plan_digest=plan_digest,
        before=before or {},
        begun_at=now,
    )
    recording = Recording(platform=platform, entry=entry)
    recording.save()
    try:
        yield recording
    except (Exception, KeyboardInterrupt) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        recording.outcome = INTERRUPTED if interrupted else f"failed: {_said(error)}"
        # What went wrong is what the caller must hear; the entry then stays as one that only began.
        with suppress(EdgeError):
            recording.end()
        raise
    recording.end()


def trail(platform: Platform, *, limit: int) -> list[TrailEntry]:
    """Return the newest entries, newest first."""
    found = platform.records.newest(RecordKind.TRAIL, limit=limit)
    return [TrailEntry.from_document(entry_id, document) for entry_id, document in found]


def who_of_run(tags: Mapping[str, str]) -> str:
    """Return who launched a Dagster run: its tag `who`, or the automation that requested it, or the UI."""
    for tag, called in _LAUNCHERS:
        if tags.get(tag):
            return f"dagster {called}{tags[tag]}" if called else tags[tag]
    return "dagster ui"


def _said(error: Exception | KeyboardInterrupt) -> str:
    """Return what an error says; one not written for a person is named by its kind too."""
    said = str(error) if isinstance(error, ParjanyaError) else f"{type(error).__name__}: {error}"
    return textwrap.shorten(said, _LONGEST_OUTCOME, placeholder=" …")
