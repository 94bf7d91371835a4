"""What the edges say when IAM refuses: the local AWS enforces it, so a missing right shows on a laptop."""

import uuid

import boto3
import pytest

from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.aws.execution_asg import AutoScalingFleet
from parjanya_dagster.aws.intent_sqs import SqsIntentQueue
from parjanya_dagster.aws.truth_dynamodb import DynamoImageStore
from parjanya_dagster.aws.truth_s3 import S3ObjectStore
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import DeniedError
from tests.builders import a_job, a_key
from tests.contract.endpoints import ROOT, Endpoint

pytestmark = pytest.mark.local_aws


@pytest.fixture
def powerless(contract_aws: Endpoint) -> AwsClients:
    """The clients of a user without any right."""
    url = contract_aws.clients.endpoint_url
    iam = ROOT.client("iam", endpoint_url=url)
    user = f"powerless-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])
    return AwsClients(region="us-east-1", endpoint_url=url, session=session)


def test_truth_without_the_right_is_denied_by_name(contract_aws: Endpoint, powerless: AwsClients) -> None:
    """The message names what was being done and which right is missing."""
    store = DynamoImageStore(powerless.dynamodb, table=contract_aws.names.images_table)

    with pytest.raises(DeniedError, match=r"reading row acme#.*dynamodb:GetItem"):
        store.get(a_key())


def test_objects_without_the_right_are_denied_not_missing(
    contract_aws: Endpoint, powerless: AwsClients
) -> None:
    """A refused read never looks like an upload that did not come."""
    bucket = contract_aws.new_bucket()

    with pytest.raises(DeniedError, match=bucket):
        S3ObjectStore(powerless.s3).head(bucket, "originals/1/a.jpg")


def test_belief_without_the_right_is_blind_with_the_reason(
    contract_aws: Endpoint, powerless: AwsClients
) -> None:
    """Nobody scales to zero on a refused call (field notes: KEDA issue 8036)."""
    queue = SqsIntentQueue(powerless.sqs, queue=contract_aws.new_queue(), dead_letter_queue="none")
    fleet = AutoScalingFleet(powerless.autoscaling, group=contract_aws.names.gpu_group)

    for signal in (queue.depth(), fleet.size()):
        assert isinstance(signal, Blind)
        assert "not authorized" in signal.reason


def test_intent_without_the_right_is_denied(contract_aws: Endpoint, powerless: AwsClients) -> None:
    """A send that was refused is not an empty answer."""
    queue = SqsIntentQueue(powerless.sqs, queue=contract_aws.new_queue(), dead_letter_queue="none")

    with pytest.raises(DeniedError, match="sqs:"):
        queue.send([a_job()])
