"""Health is a pure decision: each rule, and what holds for every lease whatsoever."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.asg_executor.health import Blind, HealthLimits, Healthy, Unhealthy, judge_health
from parjanya_dagster.asg_executor.lease import Lease, LeaseState, StepOutcome

LIMITS = HealthLimits(wait_s=900.0, lease_ttl_s=30.0, grace_s=5.0)
NOON = 1_800_000_000.0

times = st.floats(min_value=0.0, max_value=2e9)
leases = st.builds(
    Lease,
    lease_id=st.just("run/step/0"),
    launch_id=st.just("launch"),
    state=st.sampled_from(LeaseState),
    queued_at=times,
    owner=st.none() | st.just("i-1/abc"),
    claimed_at=st.none() | times,
    beat_at=st.none() | times,
    ended_at=st.none() | times,
    outcome=st.none() | st.sampled_from(StepOutcome),
    cancel_requested=st.booleans(),
)
readings = st.none() | st.builds(Blind, reason=st.just("throttled")) | leases


def a_lease(state: LeaseState, **facts: Any) -> Lease:  # noqa: ANN401 -- fields of a lease, by name
    """Return a lease that was queued at noon, with whatever else the test says."""
    lease = Lease(lease_id="run/step/0", launch_id="launch", state=state, queued_at=NOON, owner="i-1/abc")
    return dataclasses.replace(lease, **facts)


def judge(lease: Lease | Blind | None, *, after_s: float) -> Healthy | Unhealthy:
    """Judge a lease without a result, some seconds after noon."""
    return judge_health(lease, has_result=False, limits=LIMITS, now=NOON + after_s)


@given(reading=readings, now=times)
def test_health_when_a_result_is_recorded_then_nothing_is_declared_dead(
    reading: Lease | Blind | None,
    now: float,
) -> None:
    """A step that has ended is never ended again, whatever its lease says (dagster issue 22565)."""
    assert isinstance(judge_health(reading, has_result=True, limits=LIMITS, now=now), Healthy)


@given(has_result=st.booleans(), now=times)
def test_health_when_the_table_is_unreadable_then_nothing_is_declared_dead(
    *,
    has_result: bool,
    now: float,
) -> None:
    """Blind is not silent: an outage of the lease table kills no step."""
    verdict = judge_health(Blind(reason="outage"), has_result=has_result, limits=LIMITS, now=now)

    assert isinstance(verdict, Healthy)


@given(lease=leases, earlier=times, later=times)
def test_health_when_time_passes_then_an_unchanged_dead_lease_stays_dead(
    lease: Lease,
    earlier: float,
    later: float,
) -> None:
    """Waiting longer never revives an attempt about which nothing new is known."""
    first, second = sorted((earlier, later))
    if isinstance(judge_health(lease, has_result=False, limits=LIMITS, now=first), Unhealthy):
        assert isinstance(judge_health(lease, has_result=False, limits=LIMITS, now=second), Unhealthy)


@pytest.mark.parametrize(("after_s", "verdict"), [(899.0, Healthy), (901.0, Unhealthy)])
def test_queued_step_when_the_wait_is_over_then_it_is_unhealthy(after_s: float, verdict: type) -> None:
    """Kubernetes has no such limit and its steps wait for ever (dagster issue 24595)."""
    assert isinstance(judge(a_lease(LeaseState.QUEUED), after_s=after_s), verdict)


def test_queued_step_when_a_worker_refused_it_then_the_reason_says_so() -> None:
    """The person who reads the failure learns which instance runs other code."""
    verdict = judge(a_lease(LeaseState.QUEUED, refusal="i-1 runs code a, the step wants b"), after_s=901.0)

    assert isinstance(verdict, Unhealthy)
    assert "i-1 runs code a" in verdict.reason


@pytest.mark.parametrize(("after_s", "verdict"), [(29.0, Healthy), (31.0, Unhealthy)])
def test_running_step_when_its_worker_is_silent_then_it_is_unhealthy(after_s: float, verdict: type) -> None:
    """Silence is measured from the last renewal, by the worker's own process."""
    assert isinstance(judge(a_lease(LeaseState.RUNNING, beat_at=NOON), after_s=after_s), verdict)


@pytest.mark.parametrize(("after_s", "verdict"), [(4.0, Healthy), (6.0, Unhealthy)])
def test_ended_step_when_no_result_appears_then_it_is_unhealthy_after_a_grace(
    after_s: float,
    verdict: type,
) -> None:
    """A worker that ends without a result once left its step in progress for ever (dagster issue 33755)."""
    lease = a_lease(LeaseState.DONE, ended_at=NOON, outcome=StepOutcome.ERROR, detail="ImportError('x')")

    found = judge(lease, after_s=after_s)

    assert isinstance(found, verdict)
    if isinstance(found, Unhealthy):
        assert "ImportError('x')" in found.reason


@pytest.mark.parametrize("lease", [None, a_lease(LeaseState.FENCED), a_lease(LeaseState.CANCELLED)])
def test_attempt_that_nobody_can_execute_any_more_is_unhealthy(lease: Lease | None) -> None:
    """A step that never reached the queue, or was declared dead, is waited for no longer."""
    assert isinstance(judge(lease, after_s=0.0), Unhealthy)
