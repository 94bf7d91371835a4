"""Invariants: what must hold after every step, checked at the writes that could break it.

Nothing in a world changes except by such a write, so looking at each one is looking after every step, at a
cost that does not grow with the world.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from parjanya_dagster.core.intent.job import job_from_json
from parjanya_dagster.core.names import Names
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.lifecycle import TRANSITIONS, Event
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.calls import suffix_of
from parjanya_dagster.simulation.kernel import Actor

_NEW_GENERATION: Final = frozenset({Event.REPLAYED, Event.REGRADED_BY_RULES})
_OF_A_FLEET: Final = frozenset({"queue.depth", "fleet.size"})
_DEMAND_SIGNALS: Final = _OF_A_FLEET | {"steps.open"}
_A_JOB: Final = "{"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A promise that was broken.

    Args:
        step: steps done by then.
        at_s: virtual seconds since the world began.
    """

    invariant: str
    detail: str
    step: int
    at_s: float


def transition_name(before: Status, event: Event) -> str:
    """Return how a transition is named in reports."""
    return f"{before.value} --{event.value}--> {TRANSITIONS[before, event].value}"


class Watch:
    """Looks at every write.

    Args:
        rows: the heads as stored.
        evidence: returns the names of what an image has beside its head, e.g. `result#1-first`.
        when: returns steps and virtual seconds so far.
        limits: of reconciliation.
        may_be_rejected: whether a file is bad, or a process may have died over it without its fault.
    """

    def __init__(
        self,
        names: Names,
        rows: dict[ImageKey, ImageRow],
        evidence: Callable[[ImageKey], Sequence[str]],
        when: Callable[[], tuple[int, float]],
        *,
        limits: Limits,
        may_be_rejected: Callable[[ImageKey], bool],
    ) -> None:
        self.violations: list[Violation] = []
        self.transitions: Counter[str] = Counter()
        self._names = names
        self._rows = rows
        self._evidence = evidence
        self._when = when
        self._limits = limits
        self._may_be_rejected = may_be_rejected
        self._sent: set[str] = set()
        self._jobs: Counter[tuple[ImageKey, int]] = Counter()
        self._named: dict[tuple[ImageKey, int], str] = {}

    def report(self, invariant: str, detail: str) -> None:
        """Note that a promise was broken."""
        step, at_s = self._when()
        self.violations.append(Violation(invariant=invariant, detail=detail, step=step, at_s=at_s))

    def stored(self, before: ImageRow | None, after: ImageRow) -> None:
        """Look at a head that was written."""
        if before is not None:
            self._is_allowed(before, after)
            if after.result_id != before.result_id and after.result_id is not None:
                self._is_the_only_result(after)
            if after.intent_id != before.intent_id and after.intent_id is not None:
                self._was_sent(after)
        if after.emissions > self._limits.max_emissions:
            self.report("jobs of a generation are bounded", f"{after.key}: {after.emissions}")
        if after.is_gap and after.due_at is None:
            self.report("no image is lost", f"{after.key} waits in {after.status}, and no index shows it")

    def sent(self, body: str) -> None:
        """Look at a message that was sent."""
        if not body.startswith(_A_JOB):
            return
        job = job_from_json(body)
        self._sent.add(job.intent_id)
        self._jobs[job.key, job.generation] += 1
        if job.source_bucket != self._names.uploads_bucket(job.tenant_id):
            self.report("a job names its tenant's bucket", f"{job.key} names {job.source_bucket}")

    def deleted(self, body: str) -> None:
        """Look at a message that was deleted."""
        if not body.startswith(_A_JOB):
            return
        job = job_from_json(body)
        row = self._rows.get(job.key)
        if row is None or row.generation != job.generation:
            return
        if row.status is Status.PENDING_VLM_ENRICHMENT:
            self.report(
                "a message is deleted only after a durable outcome",
                f"{job.key} still waits in generation {job.generation}",
            )

    def desired(self, before: int, after: int, actor: Actor | None, *, fleet: str | None = None) -> None:
        """Look at a change of a fleet's desired capacity."""
        demand = _DEMAND_SIGNALS if fleet is None else {f"{name}{suffix_of(fleet)}" for name in _OF_A_FLEET}
        if after < before and actor is not None and actor.process.blind & demand:
            signals = ", ".join(sorted(actor.process.blind & demand))
            self.report("nothing is scaled in while blind", f"{actor.label} could not read {signals}")

    def ended_without_faults(self) -> None:
        """Look back on a story in which nothing went wrong."""
        for (key, generation), count in self._jobs.items():
            if count > 1:
                self.report("without faults a generation has one job", f"{key}/{generation}: {count}")

    def _is_allowed(self, before: ImageRow, after: ImageRow) -> None:
        grown = after.generation - before.generation
        if grown < 0:
            self.report("no write from an older generation takes effect", f"{after.key}: {grown}")
        if (before.status, before.generation) == (after.status, after.generation):
            return
        for event in Event:
            target = TRANSITIONS.get((before.status, event))
            if target is after.status and grown == (event in _NEW_GENERATION):
                self.transitions[transition_name(before.status, event)] += 1
                if event is Event.REJECTED and not self._may_be_rejected(after.key):
                    self.report("no sound file is rejected", f"{after.key}: {after.last_error}")
                return
        self.report(
            "every transition is in the table", f"{after.key}: {before.status} to {after.status}, {grown:+}"
        )

    def _is_the_only_result(self, row: ImageRow) -> None:
        generation = row.decided_generation
        if generation != row.generation:
            self.report(
                "no write from an older generation takes effect",
                f"{row.key}: a result of generation {generation} was named in {row.generation}",
            )
        if f"result#{row.result_id}" not in self._evidence(row.key):
            self.report("a head names a result that is there", f"{row.key} names {row.result_id}")
        known = self._named.setdefault((row.key, row.generation), row.result_id or "")
        if known != row.result_id:
            self.report("a generation is completed once", f"{row.key}: {known}, then {row.result_id}")

    def _was_sent(self, row: ImageRow) -> None:
        if row.intent_id not in self._sent:
            self.report("a stamp never precedes its send", f"{row.key} is stamped {row.intent_id}")
