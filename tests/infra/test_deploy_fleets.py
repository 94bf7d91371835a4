"""Deploying extra fleets to the local AWS: a stack more each, with rights as narrow as the usual one's."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from infra.deploy import ExtraFleet, fleet_of
from infra.preflight import describe_effects
from parjanya_dagster.aws.execution_asg import AutoScalingFleet
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.local.credentials import Profile, local_session, root_session
from parjanya_dagster.local.deployment import KNOWN_DIFFERENCES, deploy_locally
from parjanya_dagster.local.stack import LocalAws


@pytest.mark.local_aws
def test_fleet_when_named_then_has_its_queue_group_and_rights_and_no_other_does(local_aws: LocalAws) -> None:
    """An extra fleet is one stack more: its jobs end as the same dead letters, and its workers serve it."""
    prefix, root = f"p{uuid.uuid4().hex[:8]}", root_session(local_aws)
    lines: list[str] = []
    names = deploy_locally(local_aws, prefix=prefix, fleets={"large": 1.861, "huge": None})
    deploy_locally(local_aws, prefix=prefix, fleets={"large": 1.861, "huge": None}, progress=lines.append)
    assert sum("unchanged" in line for line in lines) == 7

    effects = describe_effects(root, names, endpoint_url=local_aws.endpoint, fleets=("large", "huge"))
    assert {effect.name for effect in effects if not effect.is_seen} == KNOWN_DIFFERENCES
    function = root.client("lambda", endpoint_url=local_aws.endpoint).get_function_configuration(
        FunctionName=f"{prefix}-on-schedule"
    )
    assert function["Environment"]["Variables"]["PARJANYA_FLEETS"] == "large:1.861,huge"
    sqs = {
        profile: local_session(local_aws, profile, prefix=prefix).client(
            "sqs", endpoint_url=local_aws.endpoint
        )
        for profile in Profile
    }
    url = sqs[Profile.OPERATOR].get_queue_url(QueueName=names.fleet_queue("large"))["QueueUrl"]
    assert "Messages" not in sqs[Profile.WORKER].receive_message(QueueUrl=url, WaitTimeSeconds=0)
    dead = sqs[Profile.OPERATOR].get_queue_url(QueueName=names.dead_letter_queue)["QueueUrl"]
    with pytest.raises(ClientError, match="AccessDenied"):
        sqs[Profile.WORKER].receive_message(QueueUrl=dead)
    allowed = sqs[Profile.OPERATOR].get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    sources = json.loads(allowed["RedriveAllowPolicy"])["sourceQueueArns"]
    assert [arn.rpartition(":")[2] for arn in sources] == [
        names.intents_queue,
        *map(names.fleet_queue, ("large", "huge")),
    ]


@pytest.mark.local_aws
def test_plane_when_there_are_fleets_then_may_choose_what_each_launches(local_aws: LocalAws) -> None:
    """Incident 6a on an extra fleet: its breaker falls back too, to versions of its own template."""
    prefix, root = f"p{uuid.uuid4().hex[:8]}", root_session(local_aws)
    names = deploy_locally(local_aws, prefix=prefix, fleets={"large": None})
    groups = local_session(local_aws, Profile.OPERATOR, prefix=prefix).client(
        "autoscaling", endpoint_url=local_aws.endpoint
    )

    for group in (names.gpu_group, names.fleet_group("large")):
        fleet = AutoScalingFleet(groups, group=group)
        size = fleet.size()
        assert not isinstance(size, Blind), size.reason
        fleet.use_template(size.value.template_version or "")
        fleet.set_desired(1)
        fleet.set_desired(0)
    templates = root.client("autoscaling", endpoint_url=local_aws.endpoint).describe_auto_scaling_groups(
        AutoScalingGroupNames=[names.gpu_group, names.fleet_group("large")]
    )["AutoScalingGroups"]
    assert len({each["LaunchTemplate"]["LaunchTemplateId"] for each in templates}) == 2


@pytest.mark.parametrize("text", ["large", "Large:g6e.4xlarge", "dead:g6e.4xlarge", "large:g6e.4xlarge:dear"])
def test_argument_when_it_names_no_fleet_then_is_refused(text: str) -> None:
    """A fleet without an instance type, or with the name of the dead letters, would be half a fleet."""
    with pytest.raises(ValueError, match=r"."):
        fleet_of(text)


def test_argument_when_it_names_a_fleet_then_says_what_is_deployed() -> None:
    """Name, instance type, and the price if it is not the usual one."""
    assert str(fleet_of("large:g6e.4xlarge:1.861")) == "large:1.861"
    assert fleet_of("large:g6e.4xlarge") == ExtraFleet(name="large", instance_type="g6e.4xlarge")
