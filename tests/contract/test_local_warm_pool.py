"""A warm pool on the local AWS really holds instances and gives them out, over HTTP with boto3."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from parjanya_dagster.local.credentials import root_session
from parjanya_dagster.local.stack import LocalAws
from tests.contract.local_fleets import Fleet, wait_for

pytestmark = pytest.mark.local_aws


@pytest.fixture
def root(local_aws: LocalAws) -> boto3.Session:
    """A session with every right."""
    return root_session(local_aws)


@pytest.fixture
def fleet(root: boto3.Session, local_aws: LocalAws) -> Fleet:
    """A fresh group of at most four."""
    return Fleet(root, local_aws)


@pytest.fixture
def slow_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    """A local AWS of its own, where machines boot: two seconds cold, a moment warm."""
    monkeypatch.setenv("PARJANYA_LOCAL_BOOT_S", "2")
    monkeypatch.setenv("PARJANYA_LOCAL_WARM_BOOT_S", "0.1")
    aws = LocalAws.start(tmp_path, 0, ends_with_parent=True)
    yield aws
    aws.stop()


def _put_pool(fleet: Fleet, *, prepared: int, reuse: bool = False, state: str = "Stopped") -> None:
    fleet.client.put_warm_pool(
        AutoScalingGroupName=fleet.name,
        MaxGroupPreparedCapacity=prepared,
        PoolState=state,
        InstanceReusePolicy={"ReuseOnScaleIn": reuse},
    )


def test_pool_when_put_then_is_described_with_its_instances(fleet: Fleet) -> None:
    """What is prepared and not desired waits, stopped, outside the group."""
    fleet.desire(1)

    _put_pool(fleet, prepared=3, reuse=True)

    assert list(fleet.warmed().values()) == ["Warmed:Stopped", "Warmed:Stopped"]
    assert len(fleet.instance_ids()) == 1
    assert fleet.pool()["WarmPoolConfiguration"] == {
        "MinSize": 0,
        "MaxGroupPreparedCapacity": 3,
        "PoolState": "Stopped",
        "InstanceReusePolicy": {"ReuseOnScaleIn": True},
    }
    group = fleet.group()
    assert (group["WarmPoolSize"], group["WarmPoolConfiguration"]["PoolState"]) == (2, "Stopped")


@pytest.mark.parametrize("state", ["Running", "Hibernated"])
def test_pool_when_of_another_state_then_instances_rest_in_it(fleet: Fleet, state: str) -> None:
    """The three states AWS has are accepted."""
    _put_pool(fleet, prepared=1, state=state)

    assert list(fleet.warmed().values()) == [f"Warmed:{state}"]


def test_pool_when_without_limit_then_is_what_the_group_may_still_grow(fleet: Fleet) -> None:
    """Without MaxGroupPreparedCapacity, maximum less desired; and never less than MinSize."""
    fleet.desire(3)
    fleet.client.put_warm_pool(AutoScalingGroupName=fleet.name)
    assert len(fleet.warmed()) == 1

    fleet.client.put_warm_pool(AutoScalingGroupName=fleet.name, MinSize=2)
    assert len(fleet.warmed()) == 2


def test_scale_out_when_pool_is_full_then_takes_from_it_and_refills(fleet: Fleet) -> None:
    """The prepared instance serves under its own id, and MinSize is prepared again."""
    fleet.client.put_warm_pool(AutoScalingGroupName=fleet.name, MinSize=1, MaxGroupPreparedCapacity=0)
    [prepared] = fleet.warmed()

    fleet.desire(1)

    assert (fleet.instance_ids(), fleet.states()) == ([prepared], ["InService"])
    assert [each != prepared for each in fleet.warmed()] == [True]
    assert [each["Description"] for each in fleet.activities() if prepared in each["Description"]] == [
        f"Launching a new EC2 instance from warm pool: {prepared}",
        f"Launching a new EC2 instance into warm pool: {prepared}",
    ]


def test_scale_in_when_reuse_is_on_then_instance_returns(fleet: Fleet) -> None:
    """ReuseOnScaleIn keeps the machine; without it, it would be launched cold."""
    _put_pool(fleet, prepared=1, reuse=True)
    fleet.desire(1)
    [only] = fleet.instance_ids()
    assert fleet.warmed() == {}

    fleet.scale_in(0)

    assert fleet.instance_ids() == []
    assert fleet.warmed() == {only: "Warmed:Stopped"}


def test_scale_in_when_reuse_is_off_then_pool_gets_another(fleet: Fleet) -> None:
    """Without ReuseOnScaleIn the machine is terminated."""
    _put_pool(fleet, prepared=1)
    fleet.desire(1)
    [only] = fleet.instance_ids()

    fleet.scale_in(0)

    assert [each != only for each in fleet.warmed()] == [True]


def test_scale_out_when_image_is_deregistered_then_pool_still_serves(fleet: Fleet) -> None:
    """Incident 6a with a pool: what is prepared starts, only new machines are not launched."""
    _put_pool(fleet, prepared=1)
    fleet.ec2.deregister_image(ImageId=fleet.image)

    fleet.desire(2)

    assert fleet.states() == ["InService"]
    assert fleet.activities()[0]["StatusCode"] == "Failed"


def test_entry_when_a_launch_hook_exists_then_instance_waits_until_it_has_booted(fleet: Fleet) -> None:
    """Warmed:Pending:Wait lasts until the worker says that it is whole; only then is the machine stopped."""
    fleet.hook(launching=True)
    _put_pool(fleet, prepared=1)
    [(only, state)] = fleet.warmed().items()
    assert state == "Warmed:Pending:Wait"
    found = fleet.client.describe_auto_scaling_instances(InstanceIds=[only])["AutoScalingInstances"]
    assert [(each["AutoScalingGroupName"], each["LifecycleState"]) for each in found] == [(fleet.name, state)]

    fleet.complete(only)
    assert fleet.warmed() == {only: "Warmed:Stopped"}

    fleet.desire(1)
    assert fleet.states() == ["Pending:Wait"]
    fleet.complete(only)
    assert (fleet.instance_ids(), fleet.states()) == ([only], ["InService"])


def test_start_when_machines_take_their_time_then_a_warm_one_serves_first(slow_aws: LocalAws) -> None:
    """A cold machine is Pending for as long as it boots; a prepared one serves meanwhile."""
    fleet = Fleet(root_session(slow_aws), slow_aws)
    _put_pool(fleet, prepared=1)
    [(prepared, state)] = fleet.warmed().items()
    assert state == "Warmed:Pending"
    wait_for(lambda: fleet.warmed() == {prepared: "Warmed:Stopped"})

    fleet.desire(2)

    wait_for(lambda: fleet.states() == ["InService", "Pending"])
    assert fleet.instance_ids()[0] == prepared
    wait_for(lambda: fleet.states() == ["InService", "InService"])


def test_fleet_when_the_process_stops_then_is_as_it_was_after_the_start(tmp_path: Path) -> None:
    """What waits goes on waiting, what is prepared stays prepared, under the same ids."""
    aws = LocalAws.start(tmp_path, 0, ends_with_parent=True)
    try:
        fleet = Fleet(root_session(aws), aws)
        _put_pool(fleet, prepared=1)
        fleet.hook(launching=True)
        fleet.desire(1)
        [only] = fleet.instance_ids()
        port = aws.port
        aws.stop()
        aws = LocalAws.start(tmp_path, port, ends_with_parent=True)

        assert (fleet.instance_ids(), fleet.states()) == ([only], ["Pending:Wait"])
        fleet.complete(only)
        assert fleet.states() == ["InService"]
    finally:
        aws.stop()


def test_pool_when_deleted_then_its_instances_end(fleet: Fleet) -> None:
    """DeleteWarmPool ends the prepared instances and nothing else."""
    _put_pool(fleet, prepared=2)
    fleet.desire(1)

    fleet.client.delete_warm_pool(AutoScalingGroupName=fleet.name)

    assert "WarmPoolConfiguration" not in fleet.pool()
    assert (fleet.warmed(), fleet.states()) == ({}, ["InService"])


def test_pool_when_deleted_under_a_drain_hook_then_waits_unless_forced(fleet: Fleet) -> None:
    """A deletion honours the hooks of what it ends; ForceDelete does not."""
    _put_pool(fleet, prepared=1)
    fleet.hook(launching=False)
    fleet.client.delete_warm_pool(AutoScalingGroupName=fleet.name)
    assert list(fleet.warmed().values()) == ["Warmed:Terminating:Wait"]
    assert fleet.pool()["WarmPoolConfiguration"]["Status"] == "PendingDelete"
    with pytest.raises(ClientError, match="being deleted"):
        _put_pool(fleet, prepared=1)

    fleet.client.delete_warm_pool(AutoScalingGroupName=fleet.name, ForceDelete=True)

    assert "WarmPoolConfiguration" not in fleet.pool()


@pytest.mark.parametrize("call", ["put_warm_pool", "describe_warm_pool", "delete_warm_pool"])
def test_pool_call_when_there_is_no_such_group_then_is_refused(fleet: Fleet, call: str) -> None:
    """What AWS refuses is refused here too."""
    with pytest.raises(ClientError) as caught:
        getattr(fleet.client, call)(AutoScalingGroupName="absent")

    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_stack_when_it_makes_changes_and_drops_a_pool_then_the_pool_follows(
    fleet: Fleet, root: boto3.Session, local_aws: LocalAws
) -> None:
    """AWS::AutoScaling::WarmPool is created, updated in place and deleted."""
    cloudformation = root.client("cloudformation", endpoint_url=local_aws.endpoint)
    stack = f"pool-{fleet.name}"
    cloudformation.create_stack(StackName=stack, TemplateBody=_template(fleet, prepared=1))
    wait_for(lambda: list(fleet.warmed().values()) == ["Warmed:Stopped"])
    [kept] = fleet.warmed()

    cloudformation.update_stack(StackName=stack, TemplateBody=_template(fleet, prepared=2))
    wait_for(lambda: len(fleet.warmed()) == 2)
    assert kept in fleet.warmed()

    cloudformation.delete_stack(StackName=stack)
    wait_for(lambda: "WarmPoolConfiguration" not in fleet.pool())
    assert fleet.warmed() == {}


def _template(fleet: Fleet, *, prepared: int) -> str:
    pool = {"AutoScalingGroupName": fleet.name, "MaxGroupPreparedCapacity": str(prepared)}
    return json.dumps({"Resources": {"Pool": {"Type": "AWS::AutoScaling::WarmPool", "Properties": pool}}})
