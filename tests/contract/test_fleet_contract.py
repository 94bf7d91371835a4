"""The contract of `Fleet`, held by the fake and by Auto Scaling."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from parjanya_dagster.aws.execution_asg import AutoScalingFleet
from parjanya_dagster.core.belief.signals import Blind, FleetSize, Launch
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.ports import Fleet
from parjanya_dagster.simulation.fakes.clock import FakeClock
from parjanya_dagster.simulation.fakes.fleet import FakeFleet
from tests.builders import NOON
from tests.contract.endpoints import ROOT, Endpoint

T = TypeVar("T")


@pytest.fixture(params=["fake", pytest.param("local_aws", marks=pytest.mark.local_aws)])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    """A fleet of at most four instances, at zero; moto's group is another thing altogether."""
    if request.param == "fake":
        return FakeFleet(FakeClock(NOON))
    endpoint: Endpoint = request.getfixturevalue("contract_aws")
    real = AutoScalingFleet(endpoint.clients.autoscaling, group=endpoint.names.gpu_group)
    return _emptied(real)


def size_of(fleet: Fleet) -> FleetSize:
    """Return the size of a fleet that must be readable."""
    signal = fleet.size()
    assert not isinstance(signal, Blind), signal.reason
    return signal.value


def test_desired_capacity_is_set_in_one_call_and_read_back(fleet: Fleet) -> None:
    """Leaving zero needs one item and one call."""
    fleet.set_desired(2)

    size = size_of(fleet)
    assert (size.desired, size.min_size, size.max_size) == (2, 0, 4)
    assert size.in_service <= 2


def test_desired_beyond_the_maximum_is_refused(fleet: Fleet) -> None:
    """The group's own maximum is the last word on cost."""
    with pytest.raises(EdgeError):
        fleet.set_desired(5)


@pytest.mark.local_aws
def test_size_of_a_missing_group_is_blind(contract_aws: Endpoint) -> None:
    """A wrong name is a reason, never a fleet of zero."""
    signal = AutoScalingFleet(contract_aws.clients.autoscaling, group="no-such-group").size()

    assert isinstance(signal, Blind)
    assert "no-such-group" in signal.reason


def test_instances_are_named_with_the_template_version_they_came_from(fleet: Fleet) -> None:
    """Who is there, and what it was launched from: health and breaker follow from nothing else."""
    fleet.set_desired(2)

    size = wait_for(lambda: _with_members(fleet, 2))

    assert len({each.instance_id for each in size.instances}) == 2
    assert {each.template_version for each in size.instances} == {size.template_version}
    assert size.in_service == sum(each.is_in_service for each in size.instances)


def test_launch_of_an_instance_is_told_with_its_beginning(fleet: Fleet) -> None:
    """The start-up time counts from when the group began."""
    fleet.set_desired(1)
    size = wait_for(lambda: _with_members(fleet, 1))

    launches = fleet.launches()

    assert not isinstance(launches, Blind)
    newest = launches.value[0]
    assert newest.instance_id == size.instances[0].instance_id
    assert newest.error is None
    assert not newest.is_warm
    assert newest.started_at.tzinfo is not None


def test_terminated_instance_leaves_and_is_not_replaced(fleet: Fleet) -> None:
    """Reaping wants one less; a second call, or one for a stranger, wants nothing."""
    fleet.set_desired(2)
    first, _ = wait_for(lambda: _with_members(fleet, 2)).instances

    assert fleet.terminate(first.instance_id)

    assert size_of(fleet).desired == 1
    wait_for(lambda: _with_members(fleet, 1))
    assert not fleet.terminate(first.instance_id)
    assert not fleet.terminate("i-0123456789abcdef0")
    assert size_of(fleet).desired == 1


def test_instance_that_nobody_wants_is_terminated_all_the_same(fleet: Fleet) -> None:
    """AWS refuses to want less than the minimum; a dead instance that is protected must go nevertheless."""
    fleet.set_desired(1)
    [only] = wait_for(lambda: _with_members(fleet, 1)).instances
    if isinstance(fleet, FakeFleet):
        fleet.protect(only.instance_id, protected=True)
    fleet.set_desired(0)
    assert [each.instance_id for each in size_of(fleet).instances] == [only.instance_id]

    assert fleet.terminate(only.instance_id)

    assert size_of(fleet).desired == 0
    wait_for(lambda: _with_members(fleet, 0))


def test_template_version_is_used_from_now_on(fleet: Fleet) -> None:
    """The fall-back: further instances come from the named version, the present ones stay."""
    before = size_of(fleet).template_version
    assert before is not None

    fleet.use_template("7")

    assert size_of(fleet).template_version == "7"
    fleet.use_template(before)


@pytest.mark.local_aws
def test_launch_that_fails_blames_the_template_whose_image_is_gone(contract_aws: Endpoint) -> None:
    """Incident 6a: no instance ever exists, and the activity is the only thing that tells."""
    group, ec2 = (
        contract_aws.names.gpu_group,
        ROOT.client("ec2", endpoint_url=contract_aws.clients.endpoint_url),
    )
    fleet = _emptied(AutoScalingFleet(contract_aws.clients.autoscaling, group=group))
    good = size_of(fleet).template_version or ""
    broken = ec2.create_launch_template_version(
        LaunchTemplateName=group, SourceVersion=good, LaunchTemplateData={"ImageId": "ami-0000000000000gone"}
    )["LaunchTemplateVersion"]["VersionNumber"]
    try:
        fleet.use_template(str(broken))
        fleet.set_desired(1)

        launch = wait_for(lambda: _failed(fleet))
    finally:
        fleet.set_desired(0)
        fleet.use_template(good)

    assert launch.instance_id is None
    assert launch.blames_template
    assert "ami-0000000000000gone" in (launch.error or "")


@pytest.mark.local_aws
def test_missing_group_cannot_be_acted_on(contract_aws: Endpoint) -> None:
    """A wrong name is an error with the name in it, whatever is asked."""
    fleet = AutoScalingFleet(contract_aws.clients.autoscaling, group="no-such-group")

    for act in (lambda: fleet.terminate("i-0123456789abcdef0"), lambda: fleet.use_template("1")):
        with pytest.raises(EdgeError, match="no-such-group"):
            act()


def _emptied(fleet: AutoScalingFleet) -> AutoScalingFleet:
    """Return the fleet at zero: instances are born protected, and stay until they are ended."""
    fleet.set_desired(0)
    for member in size_of(fleet).instances:
        fleet.terminate(member.instance_id)
    wait_for(lambda: _with_members(fleet, 0))
    return fleet


def _with_members(fleet: Fleet, count: int) -> FleetSize | None:
    size = size_of(fleet)
    staying = [each for each in size.instances if "Terminat" not in each.lifecycle]
    return size if len(staying) == count == size.in_service else None


def _failed(fleet: Fleet) -> Launch | None:
    launches = fleet.launches()
    assert not isinstance(launches, Blind)
    return next((each for each in launches.value if each.error), None)


def wait_for(look: Callable[[], T | None], *, within_s: float = 15.0) -> T:
    """Return what `look` finds, once it does."""
    give_up_at = time.monotonic() + within_s
    while (found := look()) is None:
        assert time.monotonic() < give_up_at, "it did not come about"
        time.sleep(0.05)
    return found
