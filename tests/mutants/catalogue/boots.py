"""Mutants of instances: boots that fail, reaping, and what is learned of both."""

from typing import Final

from tests.mutants.checkers import Contract
from tests.mutants.mutant import Mutant
from tests.mutants.patches import Branch, Template

MUTANTS: Final = (
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
    Mutant(
        name="boot-goes-on-after-a-failure",
        source="incident 6b; DESIGN 8: then and only then the first receive",
        story="a stage that failed is on record, and the worker loads and receives all the same",
        patches=(
            Branch(
                where="gpu_worker.boot.pipeline:run_stages",
                before="if failed is not None:",
                after="if False:",
            ),
        ),
        checker=Contract("boot.test_pipeline", "test_pipeline_when_a_stage_fails_runs_no_other"),
        breaks="test_pipeline_when_a_stage_fails_runs_no_other",
    ),
    Mutant(
        name="missing-tensor-loads",
        source="field: transformers",
        story="a checkpoint that lacks a tensor gets random numbers in its place, and a line in a log",
        patches=(
            Branch(
                where="gpu_worker.boot.shards:require_expected",
                before="sorted(expected.keys() - found.keys())",
                after="list[str]()",
            ),
        ),
        checker=Contract("boot.test_pipeline", "test_checkpoint_without_a_tensor_of_its_model_is_refused"),
        breaks="test_checkpoint_without_a_tensor_of_its_model_is_refused",
    ),
    Mutant(
        name="golden-answers-not-compared",
        source="incident 6b; DESIGN 8: golden images reproduced",
        story="golden images are scored, and nobody looks whether the scores are the golden ones",
        patches=(
            Branch(
                where="gpu_worker.boot.golden:require_golden",
                before="if difference > tolerance + _SLACK:",
                after="if False:",
            ),
        ),
        checker=Contract(
            "boot.test_pipeline",
            "test_golden_answers_differ_beyond_the_tolerance_of_the_coarser_arithmetic",
        ),
        breaks="test_golden_answers_differ_beyond_the_tolerance_of_the_coarser_arithmetic",
    ),
    Mutant(
        name="another-library-accepted",
        source="DESIGN 8: the fingerprint; notes: logits_to_keep is mis-indexed by another minor version",
        story="a folder proven with one version of a library is loaded by one that reads it otherwise",
        patches=(
            Branch(
                where="gpu_worker.boot.compatibility:_library_differences",
                before="or not _numbers(versions.at_least) <= _numbers(here) < _numbers(versions.below)",
                after="",
            ),
        ),
        checker=Contract("boot.test_pipeline", "test_folder_fits_the_versions_that_it_is_for"),
        breaks="test_folder_fits_the_versions_that_it_is_for",
    ),
)
