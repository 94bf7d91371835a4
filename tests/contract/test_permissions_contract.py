"""Each identity of a deployment may do what its process does through the ports, and IAM is asked for real."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.aws.control_dynamodb import DynamoControlStore
from parjanya_dagster.aws.execution_asg import AutoScalingFleet
from parjanya_dagster.aws.heart_cloudwatch import CloudWatchHeart
from parjanya_dagster.aws.intent_sqs import SqsIntentQueue
from parjanya_dagster.aws.tenant_buckets import S3TenantBuckets
from parjanya_dagster.aws.truth_dynamodb import DynamoImageStore
from parjanya_dagster.aws.truth_s3 import S3ObjectStore
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.ports import EmptyReadings, Token
from parjanya_dagster.core.truth.row import Lane, Status
from tests.builders import NOON, a_key, a_result, a_row, some_facts
from tests.conftest import DeployedAws
from tests.contract.endpoints import http_put

pytestmark = pytest.mark.local_aws


@pytest.fixture
def tenant_id() -> str:
    """A tenant nobody has met."""
    return f"t{uuid.uuid4().hex[:12]}"


def clients_of(deployed: DeployedAws, session: boto3.Session) -> AwsClients:
    """Return the clients of an identity."""
    return AwsClients(region=deployed.aws.region, endpoint_url=deployed.aws.endpoint, session=session)


def queue_of(deployed: DeployedAws, clients: AwsClients) -> SqsIntentQueue:
    """Return the deployment's queue as an identity sees it."""
    names = deployed.names
    return SqsIntentQueue(clients.sqs, queue=names.intents_queue, dead_letter_queue=names.dead_letter_queue)


def test_operator_may_onboard_and_upload(deployed_aws: DeployedAws, tenant_id: str) -> None:
    """A presigned URL is worth what its signer may do."""
    clients = clients_of(deployed_aws, deployed_aws.operator)
    buckets = S3TenantBuckets(clients.s3, names=deployed_aws.names, origins=["http://localhost:8000"])
    objects = S3ObjectStore(clients.s3)

    bucket = buckets.ensure(tenant_id)
    buckets.ensure(tenant_id)
    assert tenant_id in buckets.existing()
    # outside `originals/{uuid}/`, so that ingest has no business with it
    signed = objects.presign_put(
        bucket,
        "originals/probe",
        content_type="image/jpeg",
        size_bytes=5,
        sha256=hashlib.sha256(b"bytes").hexdigest(),
        expires_s=60,
    )

    assert http_put(signed.url, b"bytes", signed.headers) == 200
    assert [each.key for each in objects.originals(bucket)] == ["originals/probe"]
    assert objects.head(bucket, "originals/none") is None
    info = objects.head(bucket, "originals/probe")
    assert info is not None
    assert info.version_id is not None
    assert objects.get(bucket, "originals/probe", version_id=info.version_id) == b"bytes"
    objects.put(bucket, "previews/probe/model.png", b"png", content_type="image/png")


def test_operator_may_use_every_method_of_truth(deployed_aws: DeployedAws, tenant_id: str) -> None:
    """The command line, the web app and Dagster read and repair everything."""
    clients = clients_of(deployed_aws, deployed_aws.operator)
    images = DynamoImageStore(clients.dynamodb, table=deployed_aws.names.images_table)
    row = a_row(tenant_id=tenant_id, status=Status.ENRICHED)

    assert images.create(row)
    assert images.write(row, a_row(tenant_id=tenant_id, status=Status.ENRICHED, attempts=1))
    images.put_facts(row.key, some_facts())
    images.put_result(row.key, a_result())

    assert images.facts(row.key) == some_facts()
    assert images.results(row.key) == [a_result()]
    assert [each.key for each in images.get_many([row.key])] == [row.key]
    assert [each.key for each in images.listing(tenant_id, limit=9)] == [row.key]
    images.due_gaps(Lane.FRESH, due_before=NOON, limit=1)
    images.outstanding(sent_before=NOON, limit=1)


def test_operator_may_use_every_method_of_control(deployed_aws: DeployedAws, tenant_id: str) -> None:
    """Tokens, heartbeats, memories and leases; no tenant or policy that other tests would then find."""
    clients = clients_of(deployed_aws, deployed_aws.operator)
    control = DynamoControlStore(clients.dynamodb, table=deployed_aws.names.control_table)
    plane = f"probe-{tenant_id}"

    control.put_token(tenant_id, Token(tenant_id=tenant_id, role="uploader", subject="ada"), now=NOON)
    control.beat(plane, now=NOON)
    control.remember_empty_readings(plane, EmptyReadings(since=NOON, last_read_at=NOON))
    control.remember_empty_readings(plane, None)

    assert tenant_id not in control.tenants()
    assert control.token(tenant_id) is not None
    assert control.policy(tenant_id) is None
    assert tenant_id not in control.policy_versions()
    control.published_policy()
    assert control.heartbeats()[plane] == NOON
    assert control.empty_readings(plane) is None
    assert control.take_lease(plane, "probe", now=NOON, duration_s=1)


def test_operator_may_read_every_signal(deployed_aws: DeployedAws) -> None:
    """Blind for lack of a right would be a fault of the templates."""
    clients = clients_of(deployed_aws, deployed_aws.operator)
    queue = queue_of(deployed_aws, clients)
    fleet = AutoScalingFleet(clients.autoscaling, group=deployed_aws.names.gpu_group)

    signals = [queue.depth(), queue.dead_letter_depth(), fleet.size()]

    assert [signal.reason for signal in signals if isinstance(signal, Blind)] == []
    assert queue.send([]) == []


def test_worker_may_do_its_work(deployed_aws: DeployedAws) -> None:
    """Receive, read, write Truth, delete; and nothing about the fleet's size."""
    clients = clients_of(deployed_aws, deployed_aws.worker)
    names = deployed_aws.names
    images = DynamoImageStore(clients.dynamodb, table=names.images_table)
    queue = queue_of(deployed_aws, clients)
    key = a_key(tenant_id=f"t{uuid.uuid4().hex[:12]}")

    queue.receive(limit=1, wait_s=0)
    assert not isinstance(queue.depth(), Blind)
    assert images.get(key) is None
    assert not images.write(a_row(key=key), a_row(key=key, attempts=1))
    images.put_result(key, a_result())
    assert images.facts(key) is None
    DynamoControlStore(clients.dynamodb, table=names.control_table).published_policy()
    assert S3ObjectStore(clients.s3).get(names.artifacts_bucket, "none") is None


def test_worker_may_answer_its_lifecycle_hook(deployed_aws: DeployedAws) -> None:
    """A worker says itself when it has booted; asked without a hook, the group refuses, not IAM."""
    groups = clients_of(deployed_aws, deployed_aws.worker).autoscaling
    named = {
        "AutoScalingGroupName": deployed_aws.names.gpu_group,
        "LifecycleHookName": "boot",
        "InstanceId": "i-0123456789abcdef0",
    }

    groups.describe_lifecycle_hooks(AutoScalingGroupName=deployed_aws.names.gpu_group)
    for call in (
        lambda: groups.complete_lifecycle_action(**named, LifecycleActionResult="CONTINUE"),
        lambda: groups.record_lifecycle_action_heartbeat(**named),
    ):
        with pytest.raises(ClientError, match="No active Lifecycle Action found"):
            call()
    assert groups.describe_auto_scaling_instances(InstanceIds=["i-0"])["AutoScalingInstances"] == []


@pytest.mark.parametrize("function", ["on-stream", "on-schedule"])
def test_reconcile_function_may_beat_watch_and_reap(deployed_aws: DeployedAws, function: str) -> None:
    """Heartbeat, dead letters, history of the fleet, and the end of an instance without a pulse."""
    session = _role_of(deployed_aws, function)
    clients = clients_of(deployed_aws, session)
    names = deployed_aws.names
    watch = session.client("cloudwatch", endpoint_url=deployed_aws.aws.endpoint)
    dead = clients.sqs.get_queue_url(QueueName=names.dead_letter_queue)["QueueUrl"]

    watch.put_metric_data(Namespace="Parjanya", MetricData=[{"MetricName": "probe", "Value": 1}])
    with pytest.raises(ClientError, match="AccessDenied"):
        watch.put_metric_data(Namespace="Other", MetricData=[{"MetricName": "probe", "Value": 1}])
    assert "Messages" not in clients.sqs.receive_message(QueueUrl=dead)
    clients.autoscaling.describe_auto_scaling_instances()
    assert clients.autoscaling.describe_scaling_activities(AutoScalingGroupName=names.gpu_group)
    clients.autoscaling.set_desired_capacity(AutoScalingGroupName=names.gpu_group, DesiredCapacity=1)
    group = clients.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[names.gpu_group])
    for instance in group["AutoScalingGroups"][0]["Instances"]:
        clients.autoscaling.terminate_instance_in_auto_scaling_group(
            InstanceId=instance["InstanceId"], ShouldDecrementDesiredCapacity=True
        )


@pytest.mark.parametrize(("plane", "identity"), [("lambda", "on-schedule"), ("dagster", "operator")])
def test_plane_may_put_the_heartbeat_that_its_alarm_hears(
    deployed_aws: DeployedAws, plane: str, identity: str
) -> None:
    """A plane without the right would look dead while it works, and be started again and again."""
    watch = deployed_aws.root.client("cloudwatch", endpoint_url=deployed_aws.aws.endpoint)
    names = deployed_aws.names
    heart = CloudWatchHeart(
        clients_of(deployed_aws, _role_of(deployed_aws, identity)).cloudwatch, prefix=names.prefix
    )

    heart.beat(plane, now=datetime.now(tz=UTC))

    [alarm] = watch.describe_alarms(AlarmNames=[f"{names.prefix}-heartbeat-{plane}"])["MetricAlarms"]
    heard = watch.get_metric_statistics(
        Namespace=alarm["Namespace"],
        MetricName=alarm["MetricName"],
        Dimensions=alarm["Dimensions"],
        StartTime=datetime.now(tz=UTC) - timedelta(minutes=5),
        EndTime=datetime.now(tz=UTC) + timedelta(minutes=5),
        Period=alarm["Period"],
        Statistics=[alarm["Statistic"]],
    )["Datapoints"]
    assert sum(each["SampleCount"] for each in heard) >= 1


@pytest.mark.parametrize("identity", ["on-stream", "on-schedule", "operator"])
def test_plane_may_fall_back_to_another_version_of_the_template(
    deployed_aws: DeployedAws, identity: str
) -> None:
    """Incident 6a: a breaker that may not change the version can only stop launching."""
    clients = clients_of(deployed_aws, _role_of(deployed_aws, identity))
    fleet = AutoScalingFleet(clients.autoscaling, group=deployed_aws.names.gpu_group)
    size = fleet.size()
    assert not isinstance(size, Blind), size.reason
    assert size.value.template_version is not None

    fleet.use_template(size.value.template_version)


@pytest.mark.parametrize("identity", ["on-upload", "worker"])
def test_nobody_else_may_choose_what_the_fleet_launches(deployed_aws: DeployedAws, identity: str) -> None:
    """Whoever chooses the template chooses the code that runs with the workers' rights."""
    groups = clients_of(deployed_aws, _role_of(deployed_aws, identity)).autoscaling

    with pytest.raises(ClientError, match="AccessDenied"):
        groups.update_auto_scaling_group(AutoScalingGroupName=deployed_aws.names.gpu_group, MaxSize=9)


@pytest.mark.parametrize("identity", ["on-upload", "on-stream", "on-schedule", "worker"])
def test_nobody_else_may_erase(deployed_aws: DeployedAws, tenant_id: str, identity: str) -> None:
    """What a tenant uploaded is deleted by a person's command, never by a function or a worker."""
    operator = clients_of(deployed_aws, deployed_aws.operator)
    buckets = S3TenantBuckets(operator.s3, names=deployed_aws.names, origins=["http://localhost:8000"])
    bucket = buckets.ensure(tenant_id)

    with pytest.raises(ClientError, match="AccessDenied"):
        clients_of(deployed_aws, _role_of(deployed_aws, identity)).s3.delete_object(
            Bucket=bucket, Key="originals/1/a.jpg"
        )


def test_operator_may_erase_with_every_version(deployed_aws: DeployedAws, tenant_id: str) -> None:
    """Erasure leaves nothing: versions, rows, queued jobs."""
    clients = clients_of(deployed_aws, deployed_aws.operator)
    names = deployed_aws.names
    bucket = S3TenantBuckets(clients.s3, names=names, origins=["http://localhost:8000"]).ensure(tenant_id)
    clients.s3.put_object(Bucket=bucket, Key="previews/1/model.png", Body=b"x")
    clients.s3.delete_object(Bucket=bucket, Key="previews/1/model.png")

    listed = clients.s3.list_object_versions(Bucket=bucket)
    for version in [*listed["Versions"], *listed["DeleteMarkers"]]:
        clients.s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])

    assert "Versions" not in clients.s3.list_object_versions(Bucket=bucket)
    clients.dynamodb.delete_item(TableName=names.images_table, Key={"pk": {"S": "none"}, "sk": {"S": "head"}})
    clients.dynamodb.scan(TableName=names.images_table, Limit=1)


def _role_of(deployed: DeployedAws, identity: str) -> boto3.Session:
    """Return a session with the role of a function or of the workers, or the operator's."""
    if identity == "operator":
        return deployed.operator
    role = f"arn:aws:iam::{deployed.names.account}:role/{deployed.names.prefix}-{identity}"
    sts = deployed.root.client("sts", endpoint_url=deployed.aws.endpoint)
    given = sts.assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
    return boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        region_name=deployed.aws.region,
    )
