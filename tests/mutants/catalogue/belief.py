"""Mutants of Belief and of the control plane: what is seen, what is not, and who says that he looked."""

from typing import Final

from tests.mutants.checkers import Contract
from tests.mutants.mutant import Mutant
from tests.mutants.patches import Branch, Template

_PLAN: Final = "unit.core.reconcile.test_plan"
_RECONCILE: Final = "unit.control.test_reconcile"
_TEMPLATES: Final = "mutants.test_template_promises"

MUTANTS: Final = (
    Mutant(
        name="blind-edge-says-zero",
        source="incident 7; field: KEDA (8036)",
        story="a queue that may not be read is reported as empty by the edge itself",
        patches=(
            Branch(
                where="parjanya_dagster.aws.intent_sqs:SqsIntentQueue._depth",
                before="return Blind(signal=signal, reason=str(error), at=self._clock())",
                after="return Reading(value=QueueDepth(visible=0, in_flight=0, delayed=0), at=self._clock())",
            ),
        ),
        checker=Contract(
            "mutants.test_truth_promises", "test_queue_that_does_not_answer_is_blind_at_the_edge"
        ),
        breaks="test_queue_that_does_not_answer_is_blind_at_the_edge",
    ),
    Mutant(
        name="blind-may-lower",
        source="incident 7; field: KEDA (8036)",
        story="whatever cannot be read is taken for zero when capacity is lowered",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.capacity_view:FleetReading.may_lower",
                before="return self.whole and not self.blind",
                after="return self.whole",
            ),
            Branch(
                where="parjanya_dagster.core.reconcile.fleet_actions:_runs",
                before="if isinstance(reading.queue, Blind):",
                after="if False:",
            ),
            Branch(
                where="parjanya_dagster.core.reconcile.fleet_actions:_runs",
                before="is_quiet = not demand.live and not demand.blind",
                after="is_quiet = not demand.live",
            ),
        ),
        checker=Contract(_PLAN, "test_blind_queue_is_reported_and_never_scales_in"),
        breaks="test_blind_queue_is_reported_and_never_scales_in",
    ),
    Mutant(
        name="unreadable-rows-taken-for-none",
        source="incident 7; DESIGN 5",
        story="the gap index cannot be read, so nothing waits, so the fleet goes",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.plan:fleet_reading",
                before="whole=snapshot.whole and not snapshot.unread,",
                after="whole=snapshot.whole,",
            ),
        ),
        checker=Contract("mutants.test_fleet_promises", "test_fleet_is_kept_while_truth_cannot_be_read"),
        breaks="test_fleet_is_kept_while_truth_cannot_be_read",
    ),
    Mutant(
        name="blind-queue-called-empty",
        source="incident 7; DESIGN 4 lost intent under Blind",
        story="a queue that cannot be read is empty, so every job on it is lost and sent again",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.gaps:is_empty",
                before="not isinstance(signal, Blind) and signal.value.total == 0",
                after="isinstance(signal, Blind) or signal.value.total == 0",
            ),
        ),
        checker=Contract(_PLAN, "test_job_is_not_lost_while"),
        breaks="test_job_is_not_lost_while",
    ),
    Mutant(
        name="stale-reading-believed",
        source="DESIGN 5: denied, throttled or stale reads are Blind",
        story="a count that was read minutes ago is used as if it were now's",
        patches=(
            Branch(
                where="parjanya_dagster.core.belief.freshness:sighted",
                before="if isinstance(signal, Blind) or now - signal.at <= life:",
                after="if True:",
            ),
        ),
        checker=Contract(
            "unit.core.belief.test_freshness", "test_reading_beyond_its_life_is_blind_and_says_how_old_it_was"
        ),
        breaks="test_reading_beyond_its_life_is_blind_and_says_how_old_it_was",
    ),
    Mutant(
        name="blind-not-reported",
        source="incident 7; DESIGN 5: ReportBlind is always emitted",
        story="what could not be read is not mentioned to anybody",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.snapshot:Snapshot.blinds",
                before="signals = (self.queue, self.dead_letters, self.steps)",
                after="signals = ()",
            ),
        ),
        checker=Contract(_PLAN, "test_blind_queue_is_reported_and_never_scales_in"),
        breaks="test_blind_queue_is_reported_and_never_scales_in",
    ),
    Mutant(
        name="heartbeat-without-looking",
        source="incident 9",
        story="the heartbeat is written although nothing was read",
        patches=(
            Branch(
                where="parjanya_dagster.control.reconcile:reconcile_world",
                before="if cycle.applied is not None and cycle.snapshot.is_sighted:",
                after="if cycle.applied is not None:",
            ),
        ),
        checker=Contract(_RECONCILE, "test_sweep_that_could_not_read_the_queue_does_not_beat"),
        breaks="test_sweep_that_could_not_read_the_queue_does_not_beat",
    ),
    Mutant(
        name="one-beat-for-all-planes",
        source="incident 9",
        story="both planes write one heartbeat: the one that lives masks the one that stopped",
        patches=(
            Branch(
                where="parjanya_dagster.control.reconcile:_beat",
                before="platform.control.beat(platform.plane, now=now)",
                after='platform.control.beat("dagster", now=now)\nplatform.control.beat("lambda", now=now)',
            ),
        ),
        checker=Contract("mutants.test_truth_promises", "test_plane_beats_for_itself_alone"),
        breaks="test_plane_beats_for_itself_alone",
    ),
    Mutant(
        name="silence-is-healthy",
        source="incident 9; DESIGN 5: missing data is breaching",
        story="the alarm on the heartbeat stays green when no heartbeat comes at all",
        patches=(
            Template(
                where="belief.yaml",
                before="TreatMissingData: breaching",
                after="TreatMissingData: notBreaching",
                every=True,
            ),
        ),
        checker=Contract(_TEMPLATES, "test_alarm_on_a_plane_breaches_when_nothing_is_heard"),
        breaks="test_alarm_on_a_plane_breaches_when_nothing_is_heard",
    ),
    Mutant(
        name="reconcile-shares-concurrency",
        source="DESIGN 6: reserved concurrency",
        story="a burst of uploads takes every concurrent execution, and reconciliation is throttled",
        patches=(
            Template(
                where="control.yaml",
                before="ReservedConcurrentExecutions: !Ref ReconcileConcurrency",
                after="",
                every=True,
            ),
        ),
        checker=Contract(_TEMPLATES, "test_reconcile_functions_have_a_share_of_their_own"),
        breaks="test_reconcile_functions_have_a_share_of_their_own",
    ),
    Mutant(
        name="poison-record-holds-the-stream",
        source="DESIGN 6: a failed record is retried once",
        story="a record that always fails is retried until it expires, and every row behind it waits a day",
        patches=(
            Template(
                where="control.yaml", before="MaximumRetryAttempts: 1", after="MaximumRetryAttempts: -1"
            ),
        ),
        checker=Contract(
            "infra.test_templates",
            "test_stream_when_a_record_fails_then_is_tried_once_more_and_left_to_the_sweep",
        ),
        breaks="test_stream_when_a_record_fails_then_is_tried_once_more_and_left_to_the_sweep",
    ),
    Mutant(
        name="event-content-believed",
        source="DESIGN 3: an event's keys are a hint",
        story="what the event was about is taken for a gap, although the row read again has its job by now",
        patches=(
            Branch(
                where="parjanya_dagster.control.observe:observe_rows",
                before="gaps = tuple(row for row in rows if row.is_gap)",
                after="gaps = tuple(row for row in rows if not row.status.is_settled)",
            ),
            Branch(
                where="parjanya_dagster.core.reconcile.gaps:gap_actions",
                before="if not row.is_gap or row.due_at is None",
                after="if row.due_at is None",
            ),
        ),
        checker=Contract(_RECONCILE, "test_reconcile_again_does_nothing"),
        breaks="test_reconcile_again_does_nothing",
    ),
)
