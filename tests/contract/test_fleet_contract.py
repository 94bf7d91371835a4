"""The contract of `Fleet`, held by the fake and by Auto Scaling."""

import pytest

from parjanya_dagster.aws.execution_asg import AutoScalingFleet
from parjanya_dagster.core.belief.signals import Blind, FleetSize
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.ports import Fleet
from parjanya_dagster.simulation.fakes.clock import FakeClock
from parjanya_dagster.simulation.fakes.fleet import FakeFleet
from tests.builders import NOON
from tests.contract.endpoints import Endpoint


@pytest.fixture(params=["fake", pytest.param("local_aws", marks=pytest.mark.local_aws)])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    """A fleet of at most four instances, at zero; moto's group is another thing altogether."""
    if request.param == "fake":
        return FakeFleet(FakeClock(NOON))
    endpoint: Endpoint = request.getfixturevalue("contract_aws")
    real = AutoScalingFleet(endpoint.clients.autoscaling, group=endpoint.names.gpu_group)
    real.set_desired(0)
    return real


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
