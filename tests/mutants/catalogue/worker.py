"""Mutants of the worker: leases, poison, dependencies, protection and boots."""

from typing import Final

from tests.mutants.checkers import Contract, Told
from tests.mutants.mutant import Mutant
from tests.mutants.patches import Branch
from tests.mutants.stories import DEADLY_IMAGE

_BACKLOG_ZERO: Final = "the backlog and the fleet reach zero"
_DRAIN: Final = "unit.gpu_worker.test_drain"
_LADDER: Final = "unit.gpu_worker.test_memory_ladder"
_HEADLESS: Final = "unit.gpu_worker.test_headless"
_FURTHER: Final = "mutants.test_worker_promises"
_SETTLE: Final = "unit.gpu_worker.test_settle"

MUTANTS: Final = (
    Mutant(
        name="bad-batch-fails-all",
        source="field: SkyPilot Sky Batch (coordinator.py)",
        story="one image that the engine cannot take fails everybody in its batch",
        patches=(
            Branch(
                where="gpu_worker.worker:_take_batch",
                before="if turn.held[receipt].has_recorded_attempt:",
                after="if True:",
            ),
        ),
        checker=Contract(_DRAIN, "test_poisoned_image_when_in_a_batch_fails_alone"),
        breaks="test_poisoned_image_when_in_a_batch_fails_alone",
    ),
    Mutant(
        name="no-room-is-final",
        source="DESIGN 8: out of memory walks a ladder",
        story="an image that fits with fewer pixels is given up at once",
        patches=(
            Branch(
                where="gpu_worker.worker:_step_down",
                before="fewer = turn.limits.fewer_pixels(held.pixel_budget)",
                after="fewer = None",
            ),
        ),
        checker=Contract(
            _LADDER, "test_image_too_large_alone_is_scored_with_fewer_pixels_and_its_result_says_so"
        ),
        breaks="test_image_too_large_alone_is_scored_with_fewer_pixels_and_its_result_says_so",
    ),
    Mutant(
        name="suspects-scored-together",
        source="DESIGN 4: after a crash each suspect is scored alone",
        story="the batch that killed the worker is scored again as it was, and kills the next",
        patches=(
            Branch(
                where="gpu_worker.worker:_take_row",
                before="is_suspect = held.receive_count >= turn.limits.suspect_from or row.attempts > 0",
                after="is_suspect = False",
            ),
        ),
        checker=Told(DEADLY_IMAGE),
        breaks=_BACKLOG_ZERO,
    ),
    Mutant(
        name="crash-not-remembered",
        source="DESIGN 4: its attempt is written to the head first",
        story="an image that kills the engine is tried for ever",
        patches=(
            Branch(
                where="gpu_worker.settle:record_attempt",
                before="after = replace(row, attempts=row.attempts + 1)",
                after="after = row",
            ),
        ),
        checker=Told(DEADLY_IMAGE),
        breaks=_BACKLOG_ZERO,
    ),
    Mutant(
        name="spot-return-counts-as-poison",
        source="incident 8; DESIGN 4: Spot returns do not count",
        story="an attempt that was interrupted stays on the head, and the next one condemns the image",
        patches=(
            Branch(
                where="gpu_worker.settle:settle",
                before="if settlement.has_recorded_attempt:",
                after="if False:",
            ),
        ),
        checker=Contract(_SETTLE, "test_retry_when_an_attempt_was_recorded_takes_it_back"),
        breaks="test_retry_when_an_attempt_was_recorded_takes_it_back",
    ),
    Mutant(
        name="failing-dependency-blames-the-image",
        source="DESIGN 4: only faults of the image count",
        story="an engine that answers nothing at all fails every image that it is given",
        patches=(
            Branch(
                where="gpu_worker.worker:_take_batch",
                before="if not event.engine_is_sound:",
                after="if False:",
            ),
        ),
        checker=Contract(_FURTHER, "test_engine_that_answers_nothing_blames_no_image"),
        breaks="test_engine_that_answers_nothing_blames_no_image",
    ),
    Mutant(
        name="receives-while-truth-is-away",
        source="DESIGN 4: a worker whose dependency fails stops receiving",
        story="a worker that cannot read Truth drains the queue into dead letters",
        patches=(
            Branch(
                where="gpu_worker.schedule:_start_receive",
                before="if any(_is_left_alone(turn, dependency) for dependency in turn.backoffs):",
                after="if False:",
            ),
            Branch(
                where="gpu_worker.schedule:_start_receive",
                before="if turn.backoffs:  #",
                after="if False:  #",
            ),
        ),
        checker=Contract(_FURTHER, "test_worker_receives_nothing_while_truth_does_not_answer"),
        breaks="test_worker_receives_nothing_while_truth_does_not_answer",
    ),
    Mutant(
        name="gone-is-busy",
        source="field: SkyPilot (PR 10203: 490,000 retries)",
        story="an object that is gone looks like one that is not there yet: it is asked for, for ever",
        patches=(
            Branch(
                where="gpu_worker.fetch:_missing",
                before="if receive_count < _TRIES:",
                after="if True:",
            ),
        ),
        checker=Contract(
            "unit.gpu_worker.test_fetch", "test_object_when_missing_is_waited_for_and_then_given_up"
        ),
        breaks="test_object_when_missing_is_waited_for_and_then_given_up",
    ),
    Mutant(
        name="dead-worker-keeps-its-work",
        source="field: Ray Data (59522)",
        story="leases are taken for half a day: a worker that dies costs all it held for that long",
        patches=(
            Branch(
                where="gpu_worker.perform:Performer._extend_leases",
                before="visibility_s = int(self._platform.limits.visibility.total_seconds())",
                after="visibility_s = 43_200",
            ),
        ),
        checker=Contract(_FURTHER, "test_lease_is_renewed_for_one_visibility_timeout_and_no_more"),
        breaks="test_lease_is_renewed_for_one_visibility_timeout_and_no_more",
    ),
    Mutant(
        name="lease-not-renewed",
        source="field: celery/SQS (5935)",
        story="a batch that takes longer than the visibility timeout is delivered to a second worker",
        patches=(
            Branch(
                where="gpu_worker.schedule:watch_leases",
                before="if receipts and not _is_left_alone(turn, Dependency.QUEUE):",
                after="if False:",
            ),
        ),
        checker=Contract(_FURTHER, "test_lease_is_renewed_every_third_of_the_visibility_timeout"),
        breaks="test_lease_is_renewed_every_third_of_the_visibility_timeout",
    ),
    Mutant(
        name="hang-renewed-for-ever",
        source="DESIGN 4: renewed only while the image meets its stage deadline",
        story="a thread that hangs keeps its lease, and hides its images from everybody",
        patches=(
            Branch(
                where="gpu_worker.schedule:watch_leases",
                before="if turn.now - held.since > turn.limits.stage_deadlines[held.stage]:",
                after="if False:",
            ),
        ),
        checker=Contract(_FURTHER, "test_worker_that_hangs_ends_instead_of_renewing"),
        breaks="test_worker_that_hangs_ends_instead_of_renewing",
    ),
    Mutant(
        name="held-work-kept-at-the-end",
        source="DESIGN 7: a notice returns what is held",
        story="a worker that must leave drops what it holds: it comes back when the leases run out",
        patches=(
            Branch(
                where="gpu_worker.worker:_stop",
                before="turn.conclude(receipt, outcome)",
                after="turn.forget(receipt)",
            ),
        ),
        checker=Contract(_FURTHER, "test_worker_that_must_leave_returns_what_it_holds_at_once"),
        breaks="test_worker_that_must_leave_returns_what_it_holds_at_once",
    ),
    Mutant(
        name="protection-given-up-early",
        source="field: KEDA (1663, 5948)",
        story="an instance offers itself up while it still holds work",
        patches=(
            Branch(
                where="gpu_worker.headless:serve",
                before="report = drain_once()",
                after="member.unprotect()\nreport = drain_once()",
            ),
        ),
        checker=Contract(_HEADLESS, "test_headless_worker_when_idle_offers_its_instance_holding_nothing"),
        breaks="test_headless_worker_when_idle_offers_its_instance_holding_nothing",
    ),
    Mutant(
        name="terminating-instance-receives",
        source="field: KEDA (5948); DESIGN 7",
        story="an instance that the group has begun to terminate takes new work",
        patches=(
            Branch(
                where="gpu_worker.headless:_is_ours",
                before="return False",
                after="return True",
            ),
        ),
        checker=Contract(_HEADLESS, "test_headless_worker_when_its_instance_is_terminating_receives_nothing"),
        breaks="test_headless_worker_when_its_instance_is_terminating_receives_nothing",
    ),
    Mutant(
        name="polls-while-being-warmed",
        source="field: EC2 warm pools (buildkite 838)",
        story="an instance that only fills the warm pool receives work, and is stopped with it",
        patches=(
            Branch(
                where="gpu_worker.membership:await_service",
                before="if standing is Standing.IN_SERVICE:",
                after="if standing is not None:",
            ),
        ),
        checker=Contract(_FURTHER, "test_worker_waits_while_its_instance_only_fills_the_pool"),
        breaks="test_worker_waits_while_its_instance_only_fills_the_pool",
    ),
    Mutant(
        name="failed-boot-not-reported",
        source="incident 6b; field: SageMaker async (stdapi 43: no log group)",
        story="a boot that fails says nothing: the instance is young for ever",
        patches=(
            Branch(
                where="gpu_worker.vitals:Vitals.booting",
                before="self._write_boot(self._boot_stage, error=error)",
                after="pass",
            ),
        ),
        checker=Contract(_FURTHER, "test_boot_that_fails_says_in_which_stage_and_why"),
        breaks="test_boot_that_fails_says_in_which_stage_and_why",
    ),
    Mutant(
        name="received-before-ready",
        source="incident 6b",
        story="a worker says that it is ready before it could load its model",
        patches=(
            Branch(
                where="gpu_worker.main:_headless",
                before="with booting(hook, vitals):",
                after="vitals.enter_service()\nwith booting(hook, vitals):",
            ),
        ),
        checker=Contract(_FURTHER, "test_worker_without_its_model_is_never_ready_and_receives_nothing"),
        breaks="test_worker_without_its_model_is_never_ready_and_receives_nothing",
    ),
    Mutant(
        name="old-answers-carried-over",
        source="field: Step Functions (redrive keeps the old definition); DESIGN 4 replay",
        story="a partial replay keeps answers of other weights or other pixels",
        patches=(
            Branch(
                where="gpu_worker.interview:Interview.carried_over",
                before="if source is None or source.fingerprint != fingerprint:",
                after="if source is None:",
            ),
        ),
        checker=Contract(
            "unit.gpu_worker.test_partial_questions",
            "test_partial_replay_when_nothing_comparable_is_there_asks_everything",
        ),
        breaks="test_partial_replay_when_nothing_comparable_is_there_asks_everything",
    ),
    Mutant(
        name="row-not-checked-before-fetching",
        source="DESIGN 4: a duplicate costs one read",
        story="a second delivery of a job that is settled is fetched and scored once more",
        patches=(
            Branch(
                where="gpu_worker.worker:_take_row",
                before="superseded = standing(row, held.job.generation)",
                after="superseded = None",
            ),
        ),
        checker=Contract("unit.gpu_worker.test_drain", "test_job_when_its_row_is_decided_costs_one_read"),
        breaks="test_job_when_its_row_is_decided_costs_one_read",
    ),
    Mutant(
        name="unreadable-message-deleted",
        source="incident 8",
        story="a message that is no job of a known version is thrown away",
        patches=(
            Branch(
                where="gpu_worker.turn:Turn.keep_unreadable",
                before="self.release(message.receipt, delay_s=outcome.delay_s)",
                after="self._deleted.append(message.receipt)",
            ),
        ),
        checker=Contract(
            "unit.gpu_worker.test_drain", "test_message_when_it_is_no_job_is_kept_for_the_dead_letters"
        ),
        breaks="test_message_when_it_is_no_job_is_kept_for_the_dead_letters",
    ),
)
