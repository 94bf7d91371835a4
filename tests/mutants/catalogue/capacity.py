"""Mutants of execution's capacity: leaving zero, demand, scale-in, keep-alive, boots and reaping."""

from typing import Final

from tests.mutants.checkers import Contract, Told
from tests.mutants.mutant import Mutant
from tests.mutants.patches import Branch, Template
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
                before="gaps=len(waiting),",
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
    Mutant(
        name="endless-relaunch",
        source="incident 6a; DESIGN 7: three failed boots open a breaker",
        story="a template that cannot boot is launched again and again, paid by the minute",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.boot_breaker:breaker_of",
                before="if len(failed) < limits.failures:",
                after="if True:",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_breaker",
            "test_breaker_when_three_boots_failed_in_a_row_is_open_then_tries_once",
        ),
        breaks="test_breaker_when_three_boots_failed_in_a_row_is_open_then_tries_once",
    ),
    Mutant(
        name="breaker-never-tries-again",
        source="incident 6a",
        story="a breaker that opened stays open when the template is repaired",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.boot_breaker:Breaker.is_trying",
                before="return self.until is not None and now >= self.until",
                after="return False",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_breaker",
            "test_breaker_when_three_boots_failed_in_a_row_is_open_then_tries_once",
        ),
        breaks="test_breaker_when_three_boots_failed_in_a_row_is_open_then_tries_once",
    ),
    Mutant(
        name="refused-launch-not-counted",
        source="incident 6a; field: SageMaker async (stdapi 43)",
        story="a launch that brought no instance leaves no trace: nobody sees why none comes",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.capacity_memory:with_boots",
                before="if each.blames_template and version is not None",
                after="if False",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_memory",
            "test_launch_that_failed_for_its_template_counts_as_a_failed_boot",
        ),
        breaks="test_launch_that_failed_for_its_template_counts_as_a_failed_boot",
    ),
    Mutant(
        name="silent-instance-kept",
        source="DESIGN 7: no pulse or no progress",
        story="an instance that hangs holds its messages and its price for ever",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.fleet_health:_doubt_of",
                before="if pulse.held == 0 or stalled < limits.stall:",
                after="if True:",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_health",
            "test_instance_is_doubted_for_a_reason_a_person_can_read",
        ),
        breaks="test_instance_is_doubted_for_a_reason_a_person_can_read",
    ),
    Mutant(
        name="sleeping-plane-kills-the-fleet",
        source="DESIGN 5, 7: a control plane that slept looks twice",
        story="whoever wakes up finds every pulse old, and ends every instance at once",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.fleet_health:one_to_end",
                before="now - suspects.get(doubt.instance.instance_id, now) >= limits.suspicion",
                after="True",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_health",
            "test_instance_is_ended_only_after_it_was_doubted_for_a_while",
        ),
        breaks="test_instance_is_ended_only_after_it_was_doubted_for_a_while",
    ),
    Mutant(
        name="working-instance-chosen",
        source="field: KEDA (1663, 5948)",
        story="instances are born without protection: scale-in takes one that holds work",
        patches=(
            Template(
                where="execution.yaml",
                before="NewInstancesProtectedFromScaleIn: true",
                after="NewInstancesProtectedFromScaleIn: false",
            ),
        ),
        checker=Contract("mutants.test_template_promises", "test_instances_are_born_protected"),
        breaks="test_instances_are_born_protected",
    ),
    Mutant(
        name="hook-after-pool",
        source="field: EC2 warm pools (kops 16582)",
        story="instances born before the lifecycle hook are stopped in the middle of their boot",
        patches=(Template(where="execution.yaml", before="DependsOn: BootHook", after="DependsOn: Group"),),
        checker=Contract("infra.test_templates", "test_warm_pool_when_created_then_its_hook_is_there_before"),
        breaks="test_warm_pool_when_created_then_its_hook_is_there_before",
    ),
    Mutant(
        name="nobody-says-why",
        source="field: SkyPilot (issue 6916)",
        story="a decision about capacity names no alternatives, prices or reasons",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.capacity_plan:_what_gives_way",
                before="if finish_s <= deadline_s:",
                after="if True:",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_plan",
            "test_plan_that_cannot_meet_the_deadline_says_what_gives_way",
        ),
        breaks="test_plan_that_cannot_meet_the_deadline_says_what_gives_way",
    ),
    Mutant(
        name="want-of-capacity-blamed-on-the-template",
        source="incident 6a",
        story="a region without free instances opens the breaker of a template that is sound",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.capacity_memory:with_boots",
                before="if each.blames_template and version is not None",
                after="if each.error and version is not None",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_memory",
            "test_launch_that_failed_for_its_template_counts_as_a_failed_boot",
        ),
        breaks="test_launch_that_failed_for_its_template_counts_as_a_failed_boot",
    ),
    Mutant(
        name="falls-back-to-what-fails-too",
        source="incident 6a; DESIGN 7: the last good version",
        story="the fleet falls back to a version whose own breaker is open, and forth again",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.boot_breaker:fallback_version",
                before=" or breaker_of(memory, good, limits).until is not None",
                after="",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_breaker", "test_fallback_is_none_when_no_other_version_boots"
        ),
        breaks="test_fallback_is_none_when_no_other_version_boots",
    ),
    Mutant(
        name="nothing-learned",
        source="DESIGN 7: learned start and throughput",
        story="the fleet is sized by what the settings say, whatever the boots and drains measured",
        patches=(
            Branch(
                where="parjanya_dagster.core.reconcile.capacity_memory:_estimate",
                before="if not samples:",
                after="if True:",
            ),
        ),
        checker=Contract(
            "unit.core.reconcile.test_capacity_memory",
            "test_estimate_is_unmoved_by_any_minority_of_odd_samples",
        ),
        breaks="test_estimate_is_unmoved_by_any_minority_of_odd_samples",
    ),
)
