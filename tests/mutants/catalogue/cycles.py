"""Mutants of the cycle: whose turn it is, where it ends, dead letters, and what people put back."""

from typing import Final

from tests.mutants.checkers import Contract, Told
from tests.mutants.mutant import Mutant
from tests.mutants.patches import Branch
from tests.mutants.stories import UPLOAD

_PLAN: Final = "unit.core.reconcile.test_plan"

MUTANTS: Final = (
    Mutant(
        name="regrades-starve-uploads",
        source="DESIGN 4: ten minutes of queued regrades; 6: fresh outranks resync",
        story="a policy change sends everything at once, in front of today's uploads",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.lanes:regrade_room",
                before="return max(0, int(held) - queue.value.total)",
                after="return int(held)",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_lanes", "test_room_shrinks_with_everything_the_queue_holds"
        ),
        breaks="test_room_shrinks_with_everything_the_queue_holds",
    ),
    Mutant(
        name="fairness-dropped",
        source="DESIGN 3, 6: one tenant's trouble never fills a bounded read",
        story="a bounded cycle serves whoever is first in the index: one tenant's flood delays all others",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.turns:in_turns",
                before="return [item for _, _, item in islice(ranked, limit)]",
                after="return list(islice(items, limit))",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_turns",
            "test_turns_give_no_tenant_more_than_its_share_while_another_waits",
        ),
        breaks="test_turns_give_no_tenant_more_than_its_share_while_another_waits",
    ),
    Mutant(
        name="cycle-unbounded",
        source="field: SkyPilot PR 10203; DESIGN 6: every loop is bounded",
        story="a cycle plans everything that diverges, however much that is",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.plan:plan",
                before="limit=limits.max_actions)",
                after="limit=10**9)",
            ),
        ),
        checker=Contract(_PLAN, "test_plan_is_bounded"),
        breaks="test_plan_is_bounded",
    ),
    Mutant(
        name="plan-not-idempotent",
        source="DESIGN 6: applied to the world it produced, it plans nothing",
        story="an idle system writes down at every cycle that it idles",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.plan:_memory_actions",
                before="if not snapshot.outstanding:",
                after="if False:",
            ),
        ),
        checker=Told(UPLOAD),
        breaks="a world at rest is left alone",
    ),
    Mutant(
        name="letter-deleted-without-a-trace",
        source="incident 8",
        story="the dead-letter consumer deletes what it finds, and no record says that it did",
        patches=(
            Branch(
                where="parjanya_dagster.control.dead_letters:settle_dead_letter",
                before="_record(platform, action)",
                after="pass",
            ),
        ),
        checker=Contract(
            "unit.control.test_dead_letters", "test_letter_with_evidence_fails_the_image_before_it_is_deleted"
        ),
        breaks="test_letter_with_evidence_fails_the_image_before_it_is_deleted",
    ),
    Mutant(
        name="infrastructure-counts-as-poison",
        source="incident 8; DESIGN 4: only faults of the image count",
        story="a message given up for an outage fails its image",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.dead_letters:_ruled_for",
                before="if row.attempts >= limits.poison_attempts:",
                after="if True:",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_dead_letters",
            "test_letter_without_evidence_returns_to_the_gap_with_back_off",
        ),
        breaks="test_letter_without_evidence_returns_to_the_gap_with_back_off",
    ),
    Mutant(
        name="letters-return-for-ever",
        source="DESIGN 4: three times, then fails",
        story="a message that is given up again and again goes back again and again",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.dead_letters:_ruled_for",
                before="if row.returns >= limits.max_returns:",
                after="if False:",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_dead_letters",
            "test_letter_returns_three_times_with_growing_patience_and_then_fails_by_name",
        ),
        breaks="test_letter_returns_three_times_with_growing_patience_and_then_fails_by_name",
    ),
    Mutant(
        name="fault-of-one-stops-all",
        source="DESIGN 6: a failing tenant backs off alone",
        story="the first row whose bucket fails ends the cycle for everybody",
        patches=(
            Branch(
                where="parjanya_dagster.control.apply:_try",
                before="except EdgeError as error:\n",
                after="except EdgeError as error:\n    raise\n",
            ),
        ),
        checker=Contract("unit.control.test_reconcile", "test_fault_of_one_action_stops_no_other"),
        breaks="test_fault_of_one_action_stops_no_other",
    ),
    Mutant(
        name="dry-run-applies",
        source='DESIGN 6: a dry run is "do not apply"',
        story="a dry run shows what it has just done",
        patches=(
            Branch(
                where="parjanya_dagster.control.reconcile:_cycle",
                before="None if dry_run else apply(",
                after="apply(",
            ),
        ),
        checker=Contract("unit.control.test_reconcile", "test_dry_run_changes_nothing"),
        breaks="test_dry_run_changes_nothing",
    ),
    Mutant(
        name="cycle-without-deadline",
        source="field: SkyPilot (PR 10203); DESIGN 6: every loop is bounded",
        story="a slow bucket holds a cycle until its function is killed",
        patches=(
            Branch(
                where="parjanya_dagster.control.apply:apply",
                before="if deadline is not None and not isinstance(action, _PROMPT) and",
                after="if False and",
            ),
        ),
        checker=Contract(
            "unit.control.test_apply",
            "test_actions_beyond_the_deadline_are_left_except_those_that_cost_one_call",
        ),
        breaks="test_actions_beyond_the_deadline_are_left_except_those_that_cost_one_call",
    ),
    Mutant(
        name="sweep-races-the-stream",
        source="DESIGN 3: only entries over 30 s old",
        story="the sweep sends for rows whose own event is still on its way",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.gaps:gap_actions",
                before="limits.sweep_age if snapshot.whole else NO_SWEEP_AGE",
                after="NO_SWEEP_AGE",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_plan", "test_young_gap_is_left_to_the_event_path_by_the_sweep"
        ),
        breaks="test_young_gap_is_left_to_the_event_path_by_the_sweep",
    ),
    Mutant(
        name="resync-outranks-uploads",
        source="DESIGN 6: fresh work outranks resync",
        story="rows are served in the order they are found, and a regrade was there first",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.plan:_chosen",
                before="for lane in (Lane.FRESH, Lane.REGRADE):",
                after="for lane in (Lane.REGRADE, Lane.FRESH):",
            ),
        ),
        checker=Contract("unit.core.reconcile.test_plan", "test_fresh_rows_are_served_before_regrades"),
        breaks="test_fresh_rows_are_served_before_regrades",
    ),
    Mutant(
        name="redrive-unthrottled",
        source="issue: `redrive --rate`",
        story="what infrastructure failed is put back all at once, over what waits",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.pace:Pace.taken",
                before="return replace(self, tokens=max(0.0, self.tokens - 1))",
                after="return self",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_pace", "test_tokens_when_taken_as_they_come_never_outrun_the_rate"
        ),
        breaks="test_tokens_when_taken_as_they_come_never_outrun_the_rate",
    ),
    Mutant(
        name="replay-beyond-its-preview",
        source="DESIGN 4: redrive is a previewed replay",
        story="rows that moved since somebody reviewed the list are replayed all the same",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.replay_plan:moved_since",
                before="if (row.generation, row.status) != (entry.generation, entry.status):",
                after="if False:",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_replay_plan", "test_entry_when_its_row_moved_since_is_left_alone"
        ),
        breaks="test_entry_when_its_row_moved_since_is_left_alone",
    ),
)
