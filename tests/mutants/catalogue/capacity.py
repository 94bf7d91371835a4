"""Mutants of execution's capacity: leaving zero, demand, scale-in and keep-alive."""

from typing import Final

from tests.mutants.checkers import Contract, Told
from tests.mutants.mutant import Mutant
from tests.mutants.patches import Branch
from tests.mutants.stories import UPLOAD

_PLAN: Final = "unit.core.reconcile.test_plan"
_FURTHER: Final = "mutants.test_fleet_promises"
_FLEET: Final = "parjanya_dagster.core.reconcile.fleet_actions"
_BACKLOG_ZERO: Final = "the backlog and the fleet reach zero"

MUTANTS: Final = (
    Mutant(
        name="zero-never-left",
        source="incident 3; field: SageMaker async (awsdocs 203)",
        story="an alarm scales what is there: from zero nothing ever starts",
        patches=(
            Branch(
                where=f"{_FLEET}:_changes",
                before="if target.least > size.desired:",
                after="if target.least > size.desired > 0:",
            ),
        ),
        checker=Told(UPLOAD),
        breaks=_BACKLOG_ZERO,
    ),
    Mutant(
        name="demand-counts-visible-only",
        source="incident 3; field: SkyPilot (PR 9927, 8483)",
        story="demand is what can be received now: the fleet is scaled to zero under work in flight",
        patches=(
            Branch(
                where="parjanya_dagster.core.belief.demand:demand_of",
                before="in_flight=depth.in_flight if depth else 0,",
                after="in_flight=0,",
            ),
        ),
        checker=Contract(_PLAN, "test_demand_of_any_kind_forbids_scale_in"),
        breaks="test_demand_of_any_kind_forbids_scale_in",
    ),
    Mutant(
        name="demand-counts-messages-only",
        source="incident 2; DESIGN 5 demand",
        story="rows without a job are no demand: capacity follows the queue's depth alone",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.plan:fleet_reading",
                before="gaps=sum(snapshot.fleet_of(row) == fleet for row in waiting.values()),",
                after="gaps=0,",
            ),
        ),
        checker=Contract(_PLAN, "test_pending_row_without_intent_gets_one_and_wakes_the_fleet"),
        breaks="test_pending_row_without_intent_gets_one_and_wakes_the_fleet",
    ),
    Mutant(
        name="one-instance-per-tick",
        source="field: SkyPilot (PR 9927: plus or minus one per 300 s)",
        story="a million images get one more instance per cycle",
        patches=(
            Branch(
                where=f"{_FLEET}:_changes",
                before="return [ScaleOut(desired=target.least,",
                after="return [ScaleOut(desired=size.desired + 1,",
            ),
        ),
        checker=Contract(_FURTHER, "test_fleet_goes_to_its_target_in_one_step"),
        breaks="test_fleet_goes_to_its_target_in_one_step",
    ),
    Mutant(
        name="back-off-keeps-the-fleet",
        source="DESIGN 5: messages in back-off don't keep a GPU alive",
        story="a message that is hidden for an hour is paid for by the minute",
        patches=(
            Branch(
                where="parjanya_dagster.core.belief.demand:Demand.live",
                before="(self.in_flight if self.is_held else 0)",
                after="self.in_flight",
            ),
        ),
        checker=Contract(
            "unit.core.belief.test_demand",
            "test_demand_in_back_off_wakes_nobody_but_counts_beside_what_waits",
        ),
        breaks="test_demand_in_back_off_wakes_nobody_but_counts_beside_what_waits",
    ),
    Mutant(
        name="lowered-after-one-reading",
        source="DESIGN 7: after two readable readings",
        story="one reading of zero ends the fleet, although counts lag by a minute",
        patches=(
            Branch(
                where=f"{_FLEET}:_lowered",
                before="if seen is None or seen.since >= now:",
                after="if False:",
            ),
        ),
        checker=Contract(_PLAN, "test_scale_in_needs_two_readings"),
        breaks="test_scale_in_needs_two_readings",
    ),
    Mutant(
        name="lowered-from-a-part",
        source="DESIGN 7: only a whole reading lowers",
        story="an event about one settled row finds no demand, and ends the fleet",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.capacity_view:FleetReading.may_lower",
                before="return self.whole and not self.blind",
                after="return not self.blind",
            ),
        ),
        checker=Contract(_PLAN, "test_event_path_never_scales_in"),
        breaks="test_event_path_never_scales_in",
    ),
    Mutant(
        name="lowered-under-another-lease",
        source="DESIGN 7: only the holder of a fenced lease lowers",
        story="two planes lower the fleet at once",
        patches=(
            Branch(
                where="parjanya_dagster.control.capacity:_lowers",
                before="if token is None:\n    ",
                after="if token is None:\n    return True\n",
            ),
        ),
        checker=Contract("unit.control.test_reconcile", "test_scale_in_is_left_to_the_lease_holder"),
        breaks="test_scale_in_is_left_to_the_lease_holder",
    ),
    Mutant(
        name="lease-not-fenced",
        source="DESIGN 7: a fenced lease",
        story="whoever slept while its lease ran out lowers all the same",
        patches=(
            Branch(
                where="parjanya_dagster.control.capacity:_lowers",
                before="return platform.control.holds_lease(LEASE, token, now=platform.clock())",
                after="return True",
            ),
        ),
        checker=Contract(_FURTHER, "test_fleet_is_not_lowered_by_whoever_lost_its_lease_meanwhile"),
        breaks="test_fleet_is_not_lowered_by_whoever_lost_its_lease_meanwhile",
    ),
    Mutant(
        name="raise-that-lowers",
        source="DESIGN 7: any plane may raise",
        story="a plane with an older reading sets its lower wish over another plane's higher one",
        patches=(
            Branch(
                where="parjanya_dagster.control.capacity:_scale_out",
                before="if size.value.desired >= action.desired:",
                after="if False:",
            ),
        ),
        checker=Contract(_FURTHER, "test_raise_never_lowers_what_another_plane_raised"),
        breaks="test_raise_never_lowers_what_another_plane_raised",
    ),
    Mutant(
        name="price-cap-ignored",
        source="DESIGN 7, 13: spend stays within the cap",
        story="the fleet grows to the group's maximum, whatever the user is willing to pay",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.capacity_plan:most_instances",
                before="if wish.price_cap_usd_per_hour is None:",
                after="if True:",
            ),
        ),
        checker=Contract(_FURTHER, "test_fleet_never_costs_more_than_the_cap"),
        breaks="test_fleet_never_costs_more_than_the_cap",
    ),
    Mutant(
        name="fixed-cool-down",
        source="field: KEDA (7327)",
        story="an idle instance goes after five minutes, whatever the work's rhythm: a cold start every time",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.keep_alive:is_worth_keeping",
                before="return len(rests) >= _ENOUGH and median(rests) < start.total_seconds()",
                after="return idle.total_seconds() < 300",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_keep_alive",
            "test_last_instance_is_kept_while_waiting_is_expected_to_cost_less_than_starting",
        ),
        breaks="test_last_instance_is_kept_while_waiting_is_expected_to_cost_less_than_starting",
    ),
    Mutant(
        name="kept-for-ever",
        source="field: KEDA (7327); DESIGN 7",
        story="an instance that once had work every minute is kept through the weekend",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.keep_alive:is_worth_keeping",
                before="if idle >= longest:",
                after="if False:",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_keep_alive",
            "test_last_instance_is_never_kept_beyond_the_maximum",
        ),
        breaks="test_last_instance_is_never_kept_beyond_the_maximum",
    ),
)
