"""Deploying to the local AWS: effects seen, nothing repeated, failures named, rights as narrow as written."""

import dataclasses
import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.deploy import DeploySettings, deploy
from infra.package import CodeArchive
from infra.preflight import describe_effects
from infra.stacks import Stack, deploy_stack
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.names import Names
from parjanya_dagster.local.credentials import Profile, create_users, local_session, root_session
from parjanya_dagster.local.deployment import KNOWN_DIFFERENCES, deploy_locally, worker_image
from parjanya_dagster.local.stack import LocalAws
from tests.conftest import DeployedAws

pytestmark = pytest.mark.local_aws

_SETTINGS = DeploySettings(
    prefix="unused",
    image_id="ami-00000000",
    subnets=("subnet-00000001",),
    require_tls=False,
    known_differences=KNOWN_DIFFERENCES,
    timeout_s=60,
)


def test_effects_when_deployed_then_only_known_differences_are_left(deployed_aws: DeployedAws) -> None:
    """Everything the templates ask for was seen, but for a closed list of this endpoint's gaps."""
    effects = describe_effects(deployed_aws.root, deployed_aws.names, endpoint_url=deployed_aws.aws.endpoint)

    assert {effect.name for effect in effects if not effect.is_seen} == KNOWN_DIFFERENCES


def test_deploy_when_repeated_then_changes_nothing(deployed_aws: DeployedAws) -> None:
    """An unchanged deploy skips every stack and uploads no code."""
    lines: list[str] = []

    deploy_locally(deployed_aws.aws, prefix=deployed_aws.names.prefix, progress=lines.append)

    stacks = [line for line in lines if "known difference" not in line]
    assert len(stacks) == 5
    assert all("unchanged" in line for line in stacks)


def test_deploy_when_template_fails_then_names_resource_and_reason(local_aws: LocalAws) -> None:
    """A failed stack says which resource and why, and a later deploy starts over by itself."""
    client = root_session(local_aws).client("cloudformation", endpoint_url=local_aws.endpoint)
    name = f"broken-{uuid.uuid4().hex[:8]}"
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}
    # a policy on a role that does not exist: the stack can only fail
    policy = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"PolicyName": "p", "PolicyDocument": {"Statement": []}, "Roles": ["absent"]},
    }
    broken = Stack(
        name=name, template=json.dumps({"Resources": {"Queue": queue, "Bad": policy}}), parameters={}
    )
    with pytest.raises(ConfigError, match=r"Bad .*absent"):
        deploy_stack(client, broken, deadline=time.monotonic() + 30)

    whole = Stack(name=name, template=json.dumps({"Resources": {"Queue": queue}}), parameters={})

    assert deploy_stack(client, whole, deadline=time.monotonic() + 30) == (True, {})


def test_preflight_when_somebody_changed_a_queue_then_deploy_says_so(local_aws: LocalAws) -> None:
    """A stack that is complete proves nothing about what was changed by hand since."""
    prefix = f"p{uuid.uuid4().hex[:8]}"
    names = deploy_locally(local_aws, prefix=prefix)
    sqs = root_session(local_aws).client("sqs", endpoint_url=local_aws.endpoint)
    sqs.set_queue_attributes(
        QueueUrl=sqs.get_queue_url(QueueName=names.intents_queue)["QueueUrl"],
        Attributes={"VisibilityTimeout": "5"},
    )

    with pytest.raises(ConfigError, match=r"intents-queue\.VisibilityTimeout is '5', wanted '180'"):
        deploy(
            root_session(local_aws),
            dataclasses.replace(_SETTINGS, prefix=prefix),
            endpoint_url=local_aws.endpoint,
        )


def test_warm_pool_when_asked_for_then_its_instances_boot_before_they_are_stopped(
    local_aws: LocalAws,
) -> None:
    """Field lesson (kops 16582): the hook is there before the first instance, which therefore waits."""
    prefix = f"p{uuid.uuid4().hex[:8]}"
    deploy(
        root_session(local_aws),
        dataclasses.replace(
            _SETTINGS,
            prefix=prefix,
            image_id=worker_image(root_session(local_aws), prefix=prefix, endpoint_url=local_aws.endpoint),
            warm_pool_size=2,
        ),
        endpoint_url=local_aws.endpoint,
    )

    groups = root_session(local_aws).client("autoscaling", endpoint_url=local_aws.endpoint)
    found = groups.describe_warm_pool(AutoScalingGroupName=f"{prefix}-gpu")

    assert [each["LifecycleState"] for each in found["Instances"]] == ["Warmed:Pending:Wait"] * 2


def test_preflight_when_a_warm_pool_has_no_hook_then_deploy_says_so(local_aws: LocalAws) -> None:
    """A pool that somebody made by hand stops its instances in the middle of their boot."""
    prefix = f"p{uuid.uuid4().hex[:8]}"
    names = deploy_locally(local_aws, prefix=prefix)
    groups = root_session(local_aws).client("autoscaling", endpoint_url=local_aws.endpoint)
    groups.put_warm_pool(AutoScalingGroupName=names.gpu_group)

    effects = describe_effects(root_session(local_aws), names, endpoint_url=local_aws.endpoint)

    missing = {effect.name for effect in effects if not effect.is_seen}
    assert missing - KNOWN_DIFFERENCES == {"warm-pool.has_launch_hook"}


def test_sources_when_named_then_are_read_by_whoever_needs_them_and_no_other_bucket_is(
    local_aws: LocalAws,
) -> None:
    """An adopted original lies in somebody else's bucket: read it, list it, never write it."""
    prefix, session = f"p{uuid.uuid4().hex[:8]}", root_session(local_aws)
    source, other = f"{prefix}-old-archive", f"{prefix}-foreign"
    s3 = session.client("s3", endpoint_url=local_aws.endpoint)
    for bucket in (source, other):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="2019/a.jpg", Body=b"x")
    settings = dataclasses.replace(
        _SETTINGS, prefix=prefix, source_buckets=("first", source), source_tables=(f"{prefix}-old-photos",)
    )
    deploy(session, settings, endpoint_url=local_aws.endpoint)
    create_users(local_aws, prefix=prefix)

    for profile in Profile:
        reader = local_session(local_aws, profile, prefix=prefix).client(
            "s3", endpoint_url=local_aws.endpoint
        )
        assert reader.get_object(Bucket=source, Key="2019/a.jpg")["ContentLength"] == 1
        assert reader.list_objects_v2(Bucket=source)["KeyCount"] == 1
        for refused in (
            lambda client: client.get_object(Bucket=other, Key="2019/a.jpg"),
            lambda client: client.delete_object(Bucket=source, Key="2019/a.jpg"),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                refused(reader)
    operator = local_session(local_aws, Profile.OPERATOR, prefix=prefix)
    assert operator.client("s3", endpoint_url=local_aws.endpoint).list_object_versions(Bucket=source)
    with pytest.raises(ClientError, match="ResourceNotFound"):  # not there, which IAM would not have told
        operator.client("dynamodb", endpoint_url=local_aws.endpoint).scan(TableName=f"{prefix}-old-photos")


def test_heartbeat_alarms_when_deployed_then_hear_each_plane_alone(deployed_aws: DeployedAws) -> None:
    """The alarm of a plane listens to that plane's metric in this deployment, and to no other."""
    watch = deployed_aws.root.client("cloudwatch", endpoint_url=deployed_aws.aws.endpoint)
    prefix = deployed_aws.names.prefix

    found = watch.describe_alarms(AlarmNamePrefix=f"{prefix}-heartbeat-")["MetricAlarms"]

    heard = {each["AlarmName"]: {d["Name"]: d["Value"] for d in each["Dimensions"]} for each in found}
    assert heard == {
        f"{prefix}-heartbeat-{plane}": {"Plane": plane, "Prefix": prefix} for plane in ("lambda", "dagster")
    }


def test_policies_when_rendered_then_fit_into_what_aws_takes(deployed_aws: DeployedAws) -> None:
    """A managed policy has at most 6,144 characters, white space not counted."""
    iam = deployed_aws.root.client("iam", endpoint_url=deployed_aws.aws.endpoint)
    lengths = {}
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        if policy["PolicyName"].startswith(deployed_aws.names.prefix):
            version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
            document = json.dumps(version["PolicyVersion"]["Document"], separators=(",", ":"))
            lengths[policy["PolicyName"]] = len(document)

    assert len(lengths) == 5
    assert {name: length for name, length in lengths.items() if length > 6_144} == {}


@pytest.mark.parametrize(
    ("profile", "call", "is_allowed"),
    [
        (Profile.WORKER, lambda session, names, url: _send(session, names.intents_queue, url), False),
        (Profile.WORKER, lambda session, names, url: _delete_batch(session, names.intents_queue, url), True),
        (Profile.WORKER, lambda session, names, url: _desire(session, names.gpu_group, url), False),
        (Profile.WORKER, lambda session, names, url: _describe(session, names.gpu_group, url), True),
        (Profile.WORKER, lambda session, names, url: _read_row(session, names.images_table, url), True),
        (
            Profile.WORKER,
            lambda session, names, url: _make_bucket(session, names.uploads_bucket("wb"), url),
            False,
        ),
        (Profile.WORKER, lambda session, _, url: _beat(session, "Parjanya", url), False),
        (Profile.OPERATOR, lambda session, _, url: _beat(session, "Parjanya", url), True),
        (Profile.OPERATOR, lambda session, _, url: _beat(session, "AWS/SQS", url), False),
        (
            Profile.WORKER,
            lambda session, names, url: _erase(session, names.uploads_bucket("gone"), url),
            False,
        ),
        (
            Profile.OPERATOR,
            lambda session, names, url: _erase(session, names.uploads_bucket("gone"), url),
            True,
        ),
        (Profile.OPERATOR, lambda session, names, url: _send(session, names.steps_queue, url), True),
        (Profile.OPERATOR, lambda session, names, url: _desire(session, names.gpu_group, url), True),
        (
            Profile.OPERATOR,
            lambda session, names, url: _make_bucket(session, names.uploads_bucket("ob"), url),
            True,
        ),
        (Profile.OPERATOR, lambda session, _, url: _make_bucket(session, "a-foreign-bucket", url), False),
    ],
)
def test_profile_when_calling_then_has_its_rights_and_no_others(
    deployed_aws: DeployedAws,
    profile: Profile,
    call: Callable[[boto3.Session, Names, str], object],
    is_allowed: bool,  # noqa: FBT001 - a column of the table above
) -> None:
    """IAM is enforced on the laptop with the policies that the roles have on AWS."""
    session = local_session(deployed_aws.aws, profile, prefix=deployed_aws.names.prefix)

    if is_allowed:
        call(session, deployed_aws.names, deployed_aws.aws.endpoint)
        return
    with pytest.raises(ClientError) as caught:
        call(session, deployed_aws.names, deployed_aws.aws.endpoint)
    assert caught.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


def test_upload_when_under_originals_then_flows_to_the_reconcile_function(local_aws: LocalAws) -> None:
    """Bucket event → rule → function → row → filtered stream → function; previews start nothing."""
    prefix = f"p{uuid.uuid4().hex[:8]}"
    names = deploy_locally(local_aws, prefix=prefix, code=_probe_functions())
    session = root_session(local_aws)
    s3 = session.client("s3", endpoint_url=local_aws.endpoint)
    bucket = names.uploads_bucket("wired")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )

    told = [f"originals/3/{kind}.jpg" for kind in ("quarantined", "settled", "waits")]
    for key in ("previews/1/1536.jpg", "originals/2/quiet.jpg", *told):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    control = session.resource("dynamodb", endpoint_url=local_aws.endpoint).Table(names.control_table)
    images = session.resource("dynamodb", endpoint_url=local_aws.endpoint).Table(names.images_table)
    _wait_for(lambda: len(control.scan()["Items"]) == len(told) and len(images.scan()["Items"]) > len(told))
    assert sorted(item["pk"] for item in control.scan()["Items"]) == [f"stream {key}" for key in told]
    assert {item["pk"] for item in images.scan()["Items"]} == {"originals/2/quiet.jpg", *told}


_ON_UPLOAD = """
import os, boto3
def handler(event, context):
    key = event["detail"]["object"]["key"]
    head = {"status": "enriched" if "settled" in key else "pending_vlm_enrichment"}
    head |= {"gap_key": "fresh#0", "due_at": 1} if "waits" in key else {}
    head |= {"quarantined": True} if "quarantined" in key else {}
    table = boto3.resource("dynamodb").Table(os.environ["PARJANYA_PREFIX"] + "-images")
    table.put_item(Item={"pk": key, "sk": "head", **head})
"""
_ON_STREAM = """
import os, boto3
def handler(event, context):
    table = boto3.resource("dynamodb").Table(os.environ["PARJANYA_PREFIX"] + "-control")
    for record in event["Records"]:
        table.put_item(Item={"pk": "stream " + record["dynamodb"]["Keys"]["pk"]["S"], "sk": "seen"})
"""


def _probe_functions() -> CodeArchive:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, source in (
            ("on_upload", _ON_UPLOAD),
            ("on_stream", _ON_STREAM),
            ("on_schedule", "def handler(event, context): pass"),
        ):
            archive.writestr(f"parjanya_dagster/lambdas/{name}.py", source)
        for package in ("parjanya_dagster", "parjanya_dagster/lambdas"):
            archive.writestr(f"{package}/__init__.py", "")
    return CodeArchive(key="code/probe.zip", body=body.getvalue())


def _send(session: boto3.Session, queue: str, url: str) -> object:
    sqs = session.client("sqs", endpoint_url=url)
    return sqs.send_message(QueueUrl=f"{url}/000000000000/{queue}", MessageBody="x")


def _delete_batch(session: boto3.Session, queue: str, url: str) -> object:
    """A batch is its single action to IAM; an unknown receipt handle is an answer, not a refusal."""
    entries = [{"Id": "1", "ReceiptHandle": "unknown"}]
    sqs = session.client("sqs", endpoint_url=url)
    return sqs.delete_message_batch(QueueUrl=f"{url}/000000000000/{queue}", Entries=entries)


def _desire(session: boto3.Session, group: str, url: str) -> object:
    client = session.client("autoscaling", endpoint_url=url)
    return client.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=0)


def _describe(session: boto3.Session, group: str, url: str) -> object:
    client = session.client("autoscaling", endpoint_url=url)
    return client.describe_auto_scaling_groups(AutoScalingGroupNames=[group])


def _read_row(session: boto3.Session, table: str, url: str) -> object:
    return session.resource("dynamodb", endpoint_url=url).Table(table).get_item(Key={"pk": "a", "sk": "b"})


def _beat(session: boto3.Session, namespace: str, url: str) -> object:
    watch = session.client("cloudwatch", endpoint_url=url)
    return watch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "probe", "Value": 1}])


def _erase(session: boto3.Session, bucket: str, url: str) -> object:
    root_session_of_url = boto3.Session("test", "test", region_name="us-east-1")
    root_session_of_url.client("s3", endpoint_url=url).create_bucket(Bucket=bucket)
    version = {"Bucket": bucket, "Key": "originals/1/a.jpg", "VersionId": "null"}
    return session.client("s3", endpoint_url=url).delete_object(**version)


def _make_bucket(session: boto3.Session, bucket: str, url: str) -> object:
    return session.client("s3", endpoint_url=url).create_bucket(Bucket=bucket)


def _wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
