"""Mutants of intent: what is sent, when, how often, and what became of it."""

from typing import Final

from parjanya_dagster.simulation.faults import Fault
from tests.mutants.checkers import Contract, Swept, Told
from tests.mutants.mutant import Mutant
from tests.mutants.patches import Branch
from tests.mutants.stories import PURGES, SILENT_STREAM, UPLOAD

_PLAN: Final = "unit.core.reconcile.test_plan"
_GAPS: Final = "parjanya_dagster.core.reconcile.gaps"
_BACKLOG_ZERO: Final = "the backlog and the fleet reach zero"

MUTANTS: Final = (
    Mutant(
        name="stamp-before-send",
        source="incident 1; DESIGN 4 write order",
        story="rows are stamped, and the jobs are sent afterwards: a crash in between loses them",
        patches=(
            Branch(
                where="parjanya_dagster.control.apply:_emit",
                before="sent = platform.queue.send(",
                after="for each, (action, _) in jobs.items():\n"
                "    platform.images.write(action.row, _stamped(action.row, each, now=now))\n"
                "sent = platform.queue.send(",
            ),
        ),
        checker=Told(UPLOAD),
        breaks="a stamp never precedes its send",
    ),
    Mutant(
        name="lost-job-never-asked-after",
        source="incident 1; DESIGN 4 lost intent",
        story="a stamped row is believed for ever, whatever the queues say",
        patches=(
            Branch(
                where=f"{_GAPS}:lost_intent_actions",
                before="for row in snapshot.outstanding:",
                after="for row in ():",
            ),
        ),
        checker=Told(PURGES, times=4),
        breaks=_BACKLOG_ZERO,
    ),
    Mutant(
        name="empty-queue-believed",
        source="incident 2",
        story="the queue is empty, so there is no work: rows that the stream forgot are never looked for",
        patches=(
            Branch(
                where="parjanya_dagster.control.observe:observe_world",
                before="due = look.due(sum(rooms.values()))",
                after="due = [] if is_empty(queue) else look.due(sum(rooms.values()))",
            ),
        ),
        checker=Told(SILENT_STREAM, times=4),
        breaks=_BACKLOG_ZERO,
    ),
    Mutant(
        name="bucket-unchecked",
        source="incident 4",
        story="a job is built for whatever bucket the row names",
        patches=(
            Branch(
                where="parjanya_dagster.core.intent.job:job_for",
                before="if row.original.bucket != uploads and not is_adopted:",
                after="if False:",
            ),
        ),
        checker=Contract(
            "unit.core.intent.test_job", "test_job_for_an_object_in_a_foreign_bucket_is_refused_and_names_it"
        ),
        breaks="test_job_for_an_object_in_a_foreign_bucket_is_refused_and_names_it",
    ),
    Mutant(
        name="deleted-on-handler-error",
        source="field: Cortex (dequeuer.go)",
        story="an attempt that failed for its surroundings still ends in DeleteMessage",
        patches=(
            Branch(
                where="parjanya_dagster.core.execution.outcome:disposition_of",
                before="return Disposition.KEEP",
                after="return Disposition.DELETE",
            ),
        ),
        checker=Contract(
            "unit.core.execution.test_outcome", "test_disposition_follows_from_the_outcome_alone"
        ),
        breaks="test_disposition_follows_from_the_outcome_alone",
    ),
    Mutant(
        name="deleted-on-swallowed-error",
        source="field: terraform-aws-github-runner (lambda.ts)",
        story="'Ignoring error': a settlement that Truth refused counts as done, and the message goes",
        patches=(
            Branch(
                where="gpu_worker.perform:Performer._settle",
                before="unsettled[settlement.receipt] = str(error)",
                after="outcomes[settlement.receipt] = settlement.outcome",
            ),
        ),
        checker=Swept(UPLOAD, Fault.UNAVAILABLE, at="worker i-1/Settle"),
        breaks="a message is deleted only after a durable outcome",
    ),
    Mutant(
        name="losing-write-believed",
        source="DESIGN 3: a write that loses re-reads",
        story="a conditional write that lost is taken for done, and the message goes",
        patches=(
            Branch(
                where="gpu_worker.settle:_write_head",
                before="if platform.images.write(row, after):\n        return outcome",
                after="platform.images.write(row, after)\nif True:\n    return outcome",
            ),
        ),
        checker=Contract(
            "unit.gpu_worker.test_settle", "test_success_when_its_row_failed_meanwhile_replaces_the_failure"
        ),
        breaks="test_success_when_its_row_failed_meanwhile_replaces_the_failure",
    ),
    Mutant(
        name="deleted-before-truth",
        source="DESIGN 4: Truth, then delete",
        story="the message is deleted while its outcome is still being written",
        patches=(
            Branch(
                where="gpu_worker.turn:Turn.settle",
                before="self.move(receipt, Stage.SETTLING)",
                after="self.move(receipt, Stage.SETTLING)\nself._deleted.append(receipt)",
            ),
        ),
        checker=Told(UPLOAD),
        breaks="a message is deleted only after a durable outcome",
    ),
    Mutant(
        name="recovery-only-at-start",
        source="field: DBOS (716, 804)",
        story="rows are recovered once, when the plane starts; whatever strands later strands for ever",
        patches=(
            Branch(
                where="parjanya_dagster.control.observe:_Look.due",
                before="keys: list[ImageKey] = []",
                after="if self._platform.control.heartbeats():\n    return []\nkeys: list[ImageKey] = []",
            ),
        ),
        checker=Told(SILENT_STREAM, times=4),
        breaks=_BACKLOG_ZERO,
    ),
    Mutant(
        name="recovery-runs-owned-work",
        source="field: DBOS (742)",
        story="a second recovery takes up rows whose job is out already",
        patches=(
            Branch(
                where="parjanya_dagster.core.truth.row:ImageRow.is_gap",
                before=" and not self.has_outstanding_intent",
                after="",
            ),
        ),
        checker=Contract(_PLAN, "test_row_with_outstanding_intent_is_no_gap"),
        breaks="test_row_with_outstanding_intent_is_no_gap",
    ),
    Mutant(
        name="quarantine-dropped",
        source="DESIGN 4: the fifth re-emission quarantines",
        story="a row that brings no outcome is emitted for ever, and keeps a GPU awake",
        patches=(
            Branch(
                where=f"{_GAPS}:_emission",
                before="if row.emissions >= limits.max_emissions:",
                after="if False:",
            ),
        ),
        checker=Contract(_PLAN, "test_fifth_emission_that_brought_nothing_quarantines"),
        breaks="test_fifth_emission_that_brought_nothing_quarantines",
    ),
    Mutant(
        name="deep-backlog-re-emitted",
        source="DESIGN 4 lost intent",
        story="jobs that wait behind a deep backlog are taken for lost and sent again",
        patches=(
            Branch(
                where=f"{_GAPS}:is_quiet",
                before="return is_long and is_empty(*queues)",
                after="return is_long",
            ),
        ),
        checker=Contract(_PLAN, "test_job_is_not_lost_while"),
        breaks="test_job_is_not_lost_while",
    ),
    Mutant(
        name="queue-of-another-fleet-forgotten",
        source="DESIGN 4 lost intent; ADR 11",
        story="the usual queue reads empty, and jobs that wait on another fleet's are sent again",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.snapshot:Snapshot.queues",
                before="*(each.queue for each in self.others.values()), self.dead_letters",
                after="self.dead_letters",
            ),
        ),
        checker=Contract(_PLAN, "test_job_is_not_lost_while"),
        breaks="test_job_is_not_lost_while",
    ),
    Mutant(
        name="count-that-lags-believed",
        source="DESIGN 4 lost intent: throughout two minutes",
        story="two empty readings long ago prove that a job sent a minute ago is lost",
        patches=(
            Branch(
                where=f"{_GAPS}:lost_intent_actions",
                before="lost_before = now - limits.queue_quiet if quiet else None",
                after="lost_before = now if quiet else None",
            ),
        ),
        checker=Contract(_PLAN, "test_job_sent_after_the_queue_went_quiet_is_not_lost"),
        breaks="test_job_sent_after_the_queue_went_quiet_is_not_lost",
    ),
    Mutant(
        name="silence-between-readings-believed",
        source="DESIGN 4 lost intent: throughout two minutes",
        story="two empty readings prove the time between them, however far apart",
        patches=(
            Branch(
                where=f"{_GAPS}:continued",
                before="if run is None or now - run.last_read_at > limits.reading_gap:",
                after="if run is None:",
            ),
        ),
        checker=Contract(_PLAN, "test_job_is_not_lost_while"),
        breaks="test_job_is_not_lost_while",
    ),
    Mutant(
        name="beyond-retention-trusted",
        source="DESIGN 4 lost intent: retention",
        story="under Blind a job that SQS has forgotten by contract is waited for",
        patches=(
            Branch(
                where=f"{_GAPS}:lost_intent_actions",
                before="if row.intent_at < expired_before:",
                after="if False:",
            ),
        ),
        checker=Contract(_PLAN, "test_job_beyond_retention_is_lost_even_when_blind"),
        breaks="test_job_beyond_retention_is_lost_even_when_blind",
    ),
)
