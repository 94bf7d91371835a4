"""What `parjanya_dagster.local.gaps` adds to the local AWS process, checked over HTTP with boto3."""

import io
import json
import uuid
import zipfile
from pathlib import Path

import boto3
import httpx
import pytest
from botocore.config import Config

from parjanya_dagster.local.credentials import root_session
from parjanya_dagster.local.stack import LocalAws
from tests.contract.local_fleets import wait_for

pytestmark = pytest.mark.local_aws


@pytest.fixture
def root(local_aws: LocalAws) -> boto3.Session:
    """A session with every right."""
    return root_session(local_aws)


def test_upload_when_policy_demands_if_none_match_then_first_writer_wins(
    root: boto3.Session, local_aws: LocalAws
) -> None:
    """Uploads are immutable: without the header a PUT is refused, and the second PUT to a key gets 412."""
    s3 = _user(root, local_aws).client(
        "s3", endpoint_url=local_aws.endpoint, config=Config(signature_version="s3v4")
    )
    bucket = f"uploads-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    demand = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/originals/*",
        "Condition": {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [demand]}))
    target = {"Bucket": bucket, "Key": "originals/a.jpg"}
    signed = s3.generate_presigned_url("put_object", Params={**target, "IfNoneMatch": "*"})
    unsigned = s3.generate_presigned_url("put_object", Params=target)

    answers = [
        httpx.put(unsigned, content=b"no header"),
        httpx.put(signed, content=b"signed, but not sent"),
        httpx.put(signed, content=b"first", headers={"If-None-Match": "*"}),
        httpx.put(signed, content=b"second", headers={"If-None-Match": "*"}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 200, 412]
    assert s3.get_object(**target)["Body"].read() == b"first"


def test_stream_mapping_when_restarted_then_next_record_is_delivered(tmp_path: Path) -> None:
    """After a restart no stream record is skipped, however many there were before it."""
    aws = LocalAws.start(tmp_path, 0, ends_with_parent=True)
    try:
        _map_stream_to_echo(aws)
        table = root_session(aws).resource("dynamodb", endpoint_url=aws.endpoint).Table("rows")
        for number in range(20):
            table.put_item(Item={"pk": f"before-{number}"})
        wait_for(lambda: _echoes(aws) == 20)
        port = aws.port
        aws.stop()
        aws = LocalAws.start(tmp_path, port, ends_with_parent=True)

        root_session(aws).resource("dynamodb", endpoint_url=aws.endpoint).Table("rows").put_item(
            Item={"pk": "after"}
        )

        wait_for(lambda: _echoes(aws) == 21)
    finally:
        aws.stop()


def test_events_for_a_function_when_stopped_on_their_way_then_are_delivered_after_the_start(
    tmp_path: Path,
) -> None:
    """An upload whose event the process forgot at a stop would wait for more than an hour."""
    aws = LocalAws.start(tmp_path, 0, ends_with_parent=True)
    try:
        events = root_session(aws).client("events", endpoint_url=aws.endpoint)
        function = _create_echo(aws)
        events.put_rule(Name="all", EventPattern=json.dumps({"source": ["test"]}))
        events.put_targets(Rule="all", Targets=[{"Id": "echo", "Arn": function}])
        events.put_events(
            Entries=[{"Source": "test", "DetailType": str(number), "Detail": "{}"} for number in range(10)]
        )
        aws.stop()
        aws = LocalAws.start(tmp_path, 0, ends_with_parent=True)

        wait_for(lambda: _echoes(aws) >= 10)
    finally:
        aws.stop()


def _user(root: boto3.Session, aws: LocalAws) -> boto3.Session:
    """A session that bucket policies apply to: to root they do not."""
    iam = root.client("iam", endpoint_url=aws.endpoint)
    name = f"user-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="s3", PolicyDocument=json.dumps(rights))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=aws.region)


_ECHO = """
import boto3
def handler(event, context):
    queue = boto3.client("sqs").get_queue_url(QueueName="echo")["QueueUrl"]
    for record in event.get("Records", [event]):
        boto3.client("sqs").send_message(QueueUrl=queue, MessageBody=str(record))
"""


def _map_stream_to_echo(aws: LocalAws) -> None:
    session = root_session(aws)
    function = _create_echo(aws)
    table = session.client("dynamodb", endpoint_url=aws.endpoint).create_table(
        TableName="rows",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )["TableDescription"]
    session.client("lambda", endpoint_url=aws.endpoint).create_event_source_mapping(
        FunctionName=function, EventSourceArn=table["LatestStreamArn"], StartingPosition="TRIM_HORIZON"
    )


def _create_echo(aws: LocalAws) -> str:
    """Create a function that tells queue `echo` what it was called with; return its ARN."""
    session = root_session(aws)
    session.client("sqs", endpoint_url=aws.endpoint).create_queue(QueueName="echo")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = session.client("iam", endpoint_url=aws.endpoint)
    role = iam.create_role(RoleName="echo", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    rights = {"Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="echo", PolicyName="echo", PolicyDocument=json.dumps(rights))
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("echo.py", _ECHO)
    created = session.client("lambda", endpoint_url=aws.endpoint).create_function(
        FunctionName="echo",
        Runtime="python3.11",
        Handler="echo.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": body.getvalue()},
    )
    return created["FunctionArn"]


def _echoes(aws: LocalAws) -> int:
    sqs = root_session(aws).client("sqs", endpoint_url=aws.endpoint)
    url = sqs.get_queue_url(QueueName="echo")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(attributes["Attributes"]["ApproximateNumberOfMessages"])
