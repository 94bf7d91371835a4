"""Observing: ports → Snapshot.

An event's keys are only a hint about which rows to read; nothing else of an event is used. Indexes lag, so
what they name is read again, consistently, before anything is planned. How much is read follows from what
diverges: an idle cycle asks each shard of an index once and reads no row.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from parjanya_dagster.control.arrivals import look_for_arrivals
from parjanya_dagster.control.capacity import observe_capacity
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind, QueueSignal
from parjanya_dagster.core.errors import EdgeError, InvalidIntentError
from parjanya_dagster.core.intent.job import Job, job_from_json
from parjanya_dagster.core.ports import DeadLetter, EmptyReadings
from parjanya_dagster.core.reconcile.capacity_view import CapacityView
from parjanya_dagster.core.reconcile.gaps import contradiction_actions, is_empty, is_quiet
from parjanya_dagster.core.reconcile.lanes import regrade_rooms
from parjanya_dagster.core.reconcile.plan import QUEUES
from parjanya_dagster.core.reconcile.snapshot import Arrivals, FleetSight, FoundLetter, Snapshot, by_fleet
from parjanya_dagster.core.reconcile.turns import in_turns
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import ImageRow, Lane

T = TypeVar("T")

_ANY_OUTSTANDING: Final = 20
"""Entries that tell whether anything is outstanding at all; some may be settled already: the index lags."""


def observe_rows(platform: Platform, keys: Sequence[ImageKey]) -> Snapshot:
    """Return a snapshot of a few rows; an empty one, without asking Belief, if none of them needs anything.

    Raises:
        EdgeError: the rows cannot be read; the event is repeated, and the sweep sees to them otherwise.
    """
    unique = sorted(set(keys))
    rows = platform.images.get_many(unique) if unique else []
    gaps = tuple(row for row in rows if row.is_gap)
    leftovers = tuple(row for row in rows if not row.is_gap)
    if not gaps and not contradiction_actions(leftovers):
        unasked = Blind(signal="belief", reason="not asked: no row of the event waits", at=platform.clock())
        return Snapshot(queue=unasked, dead_letters=unasked, fleet=unasked, whole=False)
    fleet, named = platform.fleet.size(), {row.fleet for row in gaps}
    return Snapshot(
        gaps=gaps,
        leftovers=leftovers,
        queue=platform.queue.depth(),
        dead_letters=platform.queue.dead_letter_depth(),
        fleet=fleet,
        view=observe_capacity(platform, fleet, whole=False),
        others={
            name: _sight_of(platform.of_fleet(name), whole=False) for name in platform.others if name in named
        },
        whole=False,
    )


def observe_world(platform: Platform, *, takes_letters: bool = True) -> Snapshot:
    """Return a snapshot of everything that diverges; its cost is the divergence's, not the table's.

    Args:
        takes_letters: receive dead letters, which hides them from others for a while; False for a dry run.
    """
    look = _Look(platform)
    queue, dead_letters = platform.queue.depth(), platform.queue.dead_letter_depth()
    fleet = platform.fleet.size()
    run = look.truth("empty readings", lambda: platform.control.empty_readings(QUEUES))
    view = look.truth("capacity", lambda: observe_capacity(platform, fleet)) or CapacityView()
    others = {name: _sight_of(platform.of_fleet(name)) for name in platform.others}
    rooms = regrade_rooms(
        by_fleet(FleetSight(queue=queue, fleet=fleet, view=view), others),
        by_fleet(platform.capacity, platform.other_capacities),
        limits=platform.limits,
    )
    due = look.due(sum(rooms.values()))
    sent, lost = look.sent((queue, *(each.queue for each in others.values()), dead_letters), run)
    rows = look.rows([*due, *sent])
    letters = look.letters(dead_letters) if takes_letters else ()
    beaten_at = (look.truth("heartbeats", platform.control.heartbeats) or {}).get(platform.plane)
    gaps = tuple(rows[key] for key in due if key in rows and rows[key].is_gap)
    outstanding = tuple(rows[key] for key in sent if key in rows and rows[key].has_outstanding_intent)
    named = {row.key for row in (*gaps, *outstanding)}
    return Snapshot(
        gaps=gaps,
        outstanding=outstanding,
        leftovers=tuple(row for row in rows.values() if row.key not in named),
        results=look.results([*(row for row in gaps if row.emissions), *(outstanding if lost else ())]),
        letters=letters,
        arrivals=look.arrivals(beaten_at),
        queue=queue,
        dead_letters=dead_letters,
        fleet=fleet,
        view=view,
        others=others,
        steps=platform.steps.open_steps(),
        empty_queues=run,
        unread=tuple(look.unread),
        unseen=tuple(look.unseen),
        beaten_at=beaten_at,
        whole=True,
    )


def _sight_of(platform: Platform, *, whole: bool = True) -> FleetSight:
    """Return what is seen of an extra fleet, asked of the platform as that fleet has it."""
    queue, fleet = platform.queue.depth(), platform.fleet.size()
    return FleetSight(queue=queue, fleet=fleet, view=observe_capacity(platform, fleet, whole=whole))


class _Look:
    """One look at the world: what cannot be read becomes Blind, and the rest is read all the same."""

    def __init__(self, platform: Platform) -> None:
        self.unread: list[Blind] = []
        self.unseen: list[Blind] = []
        self._platform = platform
        self._limits = platform.limits
        self._now = platform.clock()

    def truth(self, name: str, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; or None, and note that this part of Truth is unknown."""
        return self._read(name, read, self.unread)

    def due(self, room: int) -> list[ImageKey]:
        """Return keys of gaps, tenants in turns, as many as a cycle may repair.

        A lane is looked at further than it is read, so that a tenant's flood does not hide the others.
        """
        keys: list[ImageKey] = []
        for lane, most in ((Lane.FRESH, self._limits.max_actions), (Lane.REGRADE, room)):
            if most > 0:
                keys += in_turns(
                    self._gaps(lane), lambda key: key.tenant_id, limit=min(most, self._limits.max_actions)
                )
        return list(dict.fromkeys(keys))

    def sent(self, queues: Sequence[QueueSignal], run: EmptyReadings | None) -> tuple[list[ImageKey], bool]:
        """Return keys of outstanding rows whose job may be lost, and whether they all count as lost.

        Args:
            queues: every queue that may hold a job, dead letters included.
        """
        limits, now = self._limits, self._now
        before, limit = now - (limits.retention - limits.retention_margin), limits.max_actions
        lost = True
        if is_quiet(run, *queues, limits=limits, now=now):
            before = now - limits.queue_settling
        elif is_empty(*queues):
            before, limit, lost = now - limits.queue_settling, _ANY_OUTSTANDING, False
        keys = self.truth(
            "index outstanding",
            lambda: self._platform.images.outstanding(sent_before=before, limit=limit),
        )
        return keys or [], lost

    def rows(self, keys: Iterable[ImageKey]) -> dict[ImageKey, ImageRow]:
        """Return the heads of these images, read consistently."""
        unique = sorted(set(keys))
        if not unique:
            return {}
        found = self.truth("rows", lambda: self._platform.images.get_many(unique))
        return {row.key: row for row in found or ()}

    def results(self, rows: Sequence[ImageRow]) -> dict[ImageKey, Result]:
        """Return results of these rows' present generations, of as many rows as one cycle may ask for."""
        found: dict[ImageKey, Result] = {}
        for row in rows[: self._limits.max_results]:
            result = self._result(row.key, row.generation)
            if result is not None:
                found[row.key] = result
        return found

    def letters(self, depth: QueueSignal) -> tuple[FoundLetter, ...]:
        """Take dead letters, a bounded number, each with what Truth says of its image."""
        if isinstance(depth, Blind) or depth.value.visible == 0:
            return ()
        taken = self._read(
            "dead letters",
            lambda: self._platform.dead_letters.receive(limit=self._limits.max_letters),
            self.unseen,
        )
        read = [(letter, *_job_of(letter)) for letter in taken or ()]
        rows = self.rows(job.key for _, job, _ in read if job)
        if self.unread:
            # A row that could not be read is not a missing one: the letters come back.
            return ()
        return tuple(self._found(letter, job, fault, rows) for letter, job, fault in read)

    def arrivals(self, beaten_at: datetime | None) -> Arrivals:
        """Return objects that no event told of."""
        found, blinds = look_for_arrivals(self._platform, last_at=beaten_at, now=self._now)
        self.unseen += blinds
        return found

    def _gaps(self, lane: Lane) -> list[ImageKey]:
        found = self.truth(
            f"index gap, lane {lane}",
            lambda: self._platform.images.due_gaps(lane, due_before=self._now, limit=self._limits.max_window),
        )
        return found or []

    def _found(
        self, letter: DeadLetter, job: Job | None, fault: str, rows: dict[ImageKey, ImageRow]
    ) -> FoundLetter:
        row = rows.get(job.key) if job else None
        waits = row is not None and job is not None and row.intent_id == job.intent_id
        result = self._result(row.key, row.generation) if waits and row else None
        return FoundLetter(letter=letter, job=job, fault=fault, row=row, result=result)

    def _result(self, key: ImageKey, generation: int) -> Result | None:
        results = self.truth("results", lambda: self._platform.images.results(key)) or []
        return next((each for each in reversed(results) if each.generation == generation), None)

    def _read(self, name: str, read: Callable[[], T], blinds: list[Blind]) -> T | None:
        try:
            return read()
        except EdgeError as error:
            blinds.append(Blind(signal=name, reason=str(error), at=self._platform.clock()))
            return None


def _job_of(letter: DeadLetter) -> tuple[Job | None, str]:
    try:
        return job_from_json(letter.body), ""
    except InvalidIntentError as error:
        return None, str(error)
