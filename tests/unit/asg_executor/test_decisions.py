"""The other pure decisions: posture, capacity, keys and packing."""

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.asg_executor.capacity import GroupSize, desired_for
from parjanya_dagster.asg_executor.errors import ConfigError, InvalidStepMessageError
from parjanya_dagster.asg_executor.executor import FleetTag
from parjanya_dagster.asg_executor.instance import Identity, InstanceMetadata, departure_notice, read_identity
from parjanya_dagster.asg_executor.lease import StepAttempt
from parjanya_dagster.asg_executor.notices import Departure
from parjanya_dagster.asg_executor.posture import Posture, Situation, next_posture
from parjanya_dagster.asg_executor.step_queue import pack_text, unpack_text

sizes = st.builds(GroupSize, desired=st.integers(0, 50), max_size=st.integers(0, 50))
situations = st.builds(
    Situation,
    is_busy=st.booleans(),
    is_in_service=st.booleans(),
    idle_s=st.floats(0, 1e6),
    work_waits=st.booleans(),
    departure=st.none() | st.just("SIGTERM"),
    is_at_risk=st.booleans(),
)


class FakeMetadata(InstanceMetadata):
    """Instance metadata from a dictionary."""

    def __init__(self, facts: dict[str, str]) -> None:
        super().__init__()
        self._facts = facts

    def read(self, path: str) -> str | None:
        """Return the fact, if there is one."""
        return self._facts.get(path)


@given(
    open_steps=st.integers(0, 100),
    group=sizes,
    most=st.integers(0, 10),
    cap=st.none() | st.integers(0, 50),
)
def test_desired_for_any_demand_is_never_lower_than_now_nor_beyond_the_limits(
    open_steps: int,
    group: GroupSize,
    most: int,
    cap: int | None,
) -> None:
    """Launching may raise the fleet within its bounds; lowering it belongs to somebody else."""
    target = desired_for(open_steps, group=group, max_new_instances=most, max_instances=cap)

    assert target >= group.desired
    assert cap is None or target <= max(group.desired, cap)
    assert target <= max(group.desired, group.max_size)
    assert target - group.desired <= most


def test_desired_for_one_step_when_the_group_is_empty_is_one() -> None:
    """Leaving zero needs one item."""
    assert desired_for(1, group=GroupSize(desired=0, max_size=4), max_new_instances=4) == 1


@pytest.mark.parametrize(("open_steps", "desired"), [(0, 0), (1, 1), (4, 1), (5, 2), (9, 3)])
def test_desired_for_instances_of_four_gpus_counts_their_room(open_steps: int, desired: int) -> None:
    """A second instance is worth its money when the first one is full."""
    group = GroupSize(desired=0, max_size=4)

    assert desired_for(open_steps, group=group, max_new_instances=4, steps_per_instance=4) == desired


@given(posture=st.sampled_from(Posture), situation=situations)
def test_posture_when_busy_is_never_given_up_except_to_leave(posture: Posture, situation: Situation) -> None:
    """An instance that holds work stays protected."""
    following = next_posture(posture, situation, idle_after_s=20.0)

    if posture is Posture.SERVING and situation.is_busy and situation.departure is None:
        assert following is (Posture.DRAINING if situation.is_at_risk else Posture.SERVING)
    if situation.departure is not None or posture is Posture.LEAVING:
        assert following is Posture.LEAVING


@given(situation=situations)
def test_posture_when_draining_only_ever_leads_out(situation: Situation) -> None:
    """Who drains receives nothing any more, and leaves only when it holds nothing or must."""
    following = next_posture(Posture.DRAINING, situation, idle_after_s=20.0)

    must_leave = situation.departure is not None or not situation.is_busy
    assert following is (Posture.LEAVING if must_leave else Posture.DRAINING)


def test_posture_when_work_waits_for_an_idle_watcher_then_it_serves_again() -> None:
    """An instance that is still there is used before a new one is booted."""
    situation = Situation(is_busy=False, is_in_service=True, idle_s=99.0, work_waits=True, departure=None)

    assert next_posture(Posture.WATCHING, situation, idle_after_s=20.0) is Posture.SERVING


@given(situation=situations)
def test_posture_when_out_of_service_is_never_serving_or_watching(situation: Situation) -> None:
    """Buildkite issue 838: what is only being warmed polls nothing, and comes back when it is wanted."""
    for posture in (Posture.BOOTING, Posture.WATCHING):
        following = next_posture(posture, situation, idle_after_s=20.0)
        if not situation.is_in_service:
            assert following in (Posture.BOOTING, Posture.DRAINING, Posture.LEAVING)

    ready = Situation(is_busy=False, is_in_service=True, idle_s=0.0, work_waits=False, departure=None)
    assert next_posture(Posture.BOOTING, ready, idle_after_s=20.0) is Posture.SERVING


@given(text=st.text())
def test_packed_text_is_read_back(text: str) -> None:
    """Whatever Dagster serializes survives the queue."""
    assert unpack_text(pack_text(text)) == text


@pytest.mark.parametrize("damaged", ["", "no base64!", "AAAA"])
def test_packed_text_when_damaged_is_refused_by_type(damaged: str) -> None:
    """A damaged message is an error with a name."""
    with pytest.raises(InvalidStepMessageError):
        unpack_text(damaged)


@given(step=st.text(min_size=1), attempt=st.integers(0, 99))
def test_lease_id_differs_by_attempt_and_holds_no_step_text(step: str, attempt: int) -> None:
    """Dynamic step keys hold any text; a lease's key stays plain."""
    one = StepAttempt(run_id="r", step_key=step, attempt=attempt).lease_id
    other = StepAttempt(run_id="r", step_key=step, attempt=attempt + 1).lease_id

    assert one != other
    assert one.isascii()


def test_identity_when_the_environment_names_it_then_metadata_is_not_asked() -> None:
    """A laptop's stand-in for an instance is who its environment says."""
    found = read_identity(
        {"INSTANCE_ID": "i-1", "AUTO_SCALING_GROUP": "gpu"},
        FakeMetadata({"instance-id": "i-other"}),
    )

    assert found == Identity(instance_id="i-1", group="gpu")


def test_identity_when_on_ec2_then_metadata_and_its_group_tag_name_it() -> None:
    """On EC2 nothing has to be configured."""
    facts = {"instance-id": "i-2", "tags/instance/aws:autoscaling:groupName": "gpu"}

    assert read_identity({}, FakeMetadata(facts)) == Identity(instance_id="i-2", group="gpu")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, None),
        ({"autoscaling/target-lifecycle-state": "InService"}, None),
        ({"autoscaling/target-lifecycle-state": "Terminated"}, "scale-in"),
        ({"events/recommendations/rebalance": '{"noticeTime": "2026-01-01T00:00:00Z"}'}, None),
        (
            {"spot/instance-action": '{"action": "terminate", "time": "2026-01-01T00:00:00Z"}'},
            "spot terminate at 2026-01-01T00:00:00Z",
        ),
        ({"spot/instance-action": "unreadable"}, "spot notice: unreadable"),
    ],
)
def test_departure_notice_names_why_the_instance_must_go(facts: dict[str, str], reason: str | None) -> None:
    """Two minutes are enough only if the notice is understood in every form."""
    assert departure_notice(FakeMetadata(facts)) == reason


def test_departure_when_a_rebalance_is_recommended_then_it_counts_only_where_it_is_heeded() -> None:
    """A forecast is a risk and no reason to go at once; a signal later on is."""
    metadata = FakeMetadata({"events/recommendations/rebalance": "{}"})
    heeding, deaf = Departure(metadata, heeds_rebalance=True), Departure(metadata)

    assert [each.reason() for each in (heeding, deaf)] == [None, None]
    assert [each.is_at_risk for each in (heeding, deaf)] == [True, False]
    heeding.on_signal(signal.SIGTERM, None)
    heeding.announce("its group is terminating it")
    assert heeding.reason() == "SIGTERM"


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", "169.254.169.254"),
        ("http://127.0.0.1:1338/", "127.0.0.1:1338"),
        ("http://[fd00::1]", "[fd00::1]"),
    ],
)
def test_metadata_is_asked_where_awss_own_variable_says(address: str, host: str) -> None:
    """The variable that the AWS SDKs read decides for the agent, too."""
    assert InstanceMetadata.named_by({"AWS_EC2_METADATA_SERVICE_ENDPOINT": address})._host == host


def test_fleet_tag_when_it_names_another_fleet_then_that_is_an_error() -> None:
    """A mistyped fleet does not run locally by accident."""
    tag = FleetTag(key="asg_executor/fleet", fleet="gpu")

    assert tag.names_fleet({"asg_executor/fleet": "gpu"})
    assert not tag.names_fleet({"other": "gpu"})
    with pytest.raises(ConfigError, match="quantum"):
        tag.names_fleet({"asg_executor/fleet": "quantum"})
