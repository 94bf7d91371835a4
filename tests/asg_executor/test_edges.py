"""The AWS edges against a real endpoint: each conditional write, and what a person is told."""

import time
import uuid

import boto3
import pytest

from parjanya_dagster.asg_executor.capacity import FleetCapacity
from parjanya_dagster.asg_executor.errors import ConfigError, InvalidStepMessageError, StepTooLargeError
from parjanya_dagster.asg_executor.lease import Lease, LeaseState, StepAttempt, StepOutcome
from parjanya_dagster.asg_executor.step_queue import StepMessage
from tests.asg_executor.fleets import TestFleet

pytestmark = pytest.mark.local_aws

NOW = 1_800_000_000.25


def open_one(fleet: TestFleet, launch_id: str = "first") -> Lease:
    """Open the lease of a new attempt."""
    attempt = StepAttempt(run_id=uuid.uuid4().hex, step_key="drain[piece_1]", attempt=0)
    return fleet.leases.open_lease(attempt, launch_id=launch_id, now=NOW)


def a_message(**facts: object) -> StepMessage:
    """Return a valid message with whatever the test says."""
    defaults = {"lease_id": "l", "launch_id": "x", "run_id": "r", "step_key": "s", "attempt": 0}
    return StepMessage.model_validate({**defaults, "lease_ttl_s": 30.0, "packed_args": "", **facts})


def test_lease_when_two_workers_claim_then_one_gets_it(shared_fleet: TestFleet) -> None:
    """Execution begins at most once per attempt."""
    lease = open_one(shared_fleet)

    claims = [
        shared_fleet.leases.claim(lease.lease_id, launch_id="first", owner=owner, now=NOW)
        for owner in ("a", "b")
    ]

    assert [claim.owner if claim else None for claim in claims] == ["a", None]


def test_lease_when_it_moved_while_being_judged_then_it_cannot_be_fenced(shared_fleet: TestFleet) -> None:
    """A worker that beats at the last moment keeps its step."""
    lease = open_one(shared_fleet)
    seen = shared_fleet.leases.claim(lease.lease_id, launch_id="first", owner="a", now=NOW)
    assert seen is not None
    shared_fleet.leases.renew(lease.lease_id, launch_id="first", owner="a", now=NOW + 1)

    assert not shared_fleet.leases.fence(seen, reason="silent", now=NOW + 2)
    assert shared_fleet.leases.read(lease.lease_id).state is LeaseState.RUNNING  # type: ignore[union-attr] # it exists


def test_lease_when_fenced_then_its_owner_can_neither_renew_nor_finish(shared_fleet: TestFleet) -> None:
    """After the fence a zombie's words change nothing."""
    lease = open_one(shared_fleet)
    seen = shared_fleet.leases.claim(lease.lease_id, launch_id="first", owner="a", now=NOW)
    assert seen is not None
    assert shared_fleet.leases.fence(seen, reason="silent", now=NOW + 40)

    assert shared_fleet.leases.renew(lease.lease_id, launch_id="first", owner="a", now=NOW + 41) is None
    assert not shared_fleet.leases.finish(
        lease.lease_id,
        launch_id="first",
        owner="a",
        outcome=StepOutcome.FINISHED,
        detail="",
        now=NOW + 41,
    )


def test_lease_when_a_resumed_run_launches_again_then_the_old_message_claims_nothing(
    shared_fleet: TestFleet,
) -> None:
    """A dead attempt is replaced under a new launch id; a live one is left alone."""
    attempt = StepAttempt(run_id=uuid.uuid4().hex, step_key="s", attempt=0)
    leases = shared_fleet.leases
    first = leases.open_lease(attempt, launch_id="first", now=NOW)
    assert leases.open_lease(attempt, launch_id="second", now=NOW).launch_id == "first"
    assert leases.fence(first, reason="nobody took it", now=NOW)

    assert leases.open_lease(attempt, launch_id="third", now=NOW).launch_id == "third"
    assert leases.claim(attempt.lease_id, launch_id="first", owner="late", now=NOW) is None
    assert leases.claim(attempt.lease_id, launch_id="third", owner="new", now=NOW) is not None


def test_open_steps_when_each_ends_its_own_way_then_none_is_counted_any_more(fleet: TestFleet) -> None:
    """Finished, fenced and withdrawn steps stop asking for capacity; forgotten ones do so after a day."""
    now = time.time()
    leases = fleet.leases
    finished, fenced, withdrawn, _ = (
        leases.open_lease(StepAttempt(run_id="r", step_key=key, attempt=0), launch_id="x", now=now)
        for key in "abcd"
    )
    assert leases.count_open_steps(now=now) == 4

    leases.claim(finished.lease_id, launch_id="x", owner="o", now=now)
    leases.finish(
        finished.lease_id,
        launch_id="x",
        owner="o",
        outcome=StepOutcome.FINISHED,
        detail="",
        now=now,
    )
    leases.fence(fenced, reason="", now=now)
    leases.cancel(withdrawn.lease_id, now=now)

    assert leases.count_open_steps(now=now) == 1
    assert leases.count_open_steps(now=now + 25 * 3600) == 0


def test_step_when_too_large_for_a_message_then_the_error_says_what_to_do(shared_fleet: TestFleet) -> None:
    """A huge known state is named as the cause, instead of a refusal by SQS."""
    with pytest.raises(StepTooLargeError, match="larger batches"):
        shared_fleet.queue.send(a_message(packed_args="x" * 250_001))


def test_queue_when_a_message_is_not_a_step_then_it_is_dropped_by_type(fleet: TestFleet) -> None:
    """A stray message neither stops a worker nor comes back."""
    boto3.client("sqs").send_message(QueueUrl=fleet.queue_url, MessageBody="{}")

    with pytest.raises(InvalidStepMessageError):
        fleet.queue.receive(wait_s=1)
    assert fleet.queue.receive(wait_s=0) is None
    assert fleet.queue.depth() == 0


def test_capacity_when_the_group_does_not_exist_then_the_error_names_it(shared_fleet: TestFleet) -> None:
    """A mistyped group is a configuration error with its name."""
    assert shared_fleet.agents
    capacity = FleetCapacity(boto3.client("autoscaling"), group_name="nobody", max_new_instances=1)

    with pytest.raises(ConfigError, match="nobody"):
        capacity.raise_to(1)
