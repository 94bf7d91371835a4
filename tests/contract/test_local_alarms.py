"""CloudWatch alarms on the local AWS notice silence, over HTTP with boto3."""

import json
import uuid
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from parjanya_dagster.local.credentials import root_session
from parjanya_dagster.local.stack import LocalAws
from tests.contract.local_fleets import wait_for

pytestmark = pytest.mark.local_aws


class Heart:
    """A metric that beats, an alarm that listens for its silence, and a queue behind the alarm's topic."""

    def __init__(self, session: boto3.Session, aws: LocalAws) -> None:
        self.name = f"heart-{uuid.uuid4().hex[:8]}"
        self._watch = session.client("cloudwatch", endpoint_url=aws.endpoint)
        self._sqs = session.client("sqs", endpoint_url=aws.endpoint)
        sns = session.client("sns", endpoint_url=aws.endpoint)
        self._url = self._sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self._topic = sns.create_topic(Name=self.name)["TopicArn"]
        arn = f"arn:aws:sqs:{aws.region}:{aws.account}:{self.name}"
        everybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": policy})
        sns.subscribe(TopicArn=self._topic, Protocol="sqs", Endpoint=arn)

    def listen(self, *, plane: str = "lambda", periods: int = 1, period_s: int = 1, **more: Any) -> None:  # noqa: ANN401 - boto3's arguments
        """Put the alarm."""
        settings: dict[str, Any] = {
            "Statistic": "SampleCount",
            "Threshold": 1,
            "ComparisonOperator": "LessThanThreshold",
            "TreatMissingData": "breaching",
            **more,
        }
        self._watch.put_metric_alarm(
            AlarmName=self.name,
            Namespace="Parjanya",
            MetricName="Heartbeat",
            Dimensions=[{"Name": "Plane", "Value": plane}, {"Name": "Prefix", "Value": self.name}],
            Period=period_s,
            EvaluationPeriods=periods,
            AlarmActions=[self._topic],
            OKActions=[self._topic],
            **settings,
        )

    def beat(self, plane: str = "lambda", value: float = 1) -> None:
        """Put one datapoint."""
        dimensions = [{"Name": "Prefix", "Value": self.name}, {"Name": "Plane", "Value": plane}]
        datum: Any = {"MetricName": "Heartbeat", "Value": value, "Dimensions": dimensions}
        self._watch.put_metric_data(Namespace="Parjanya", MetricData=[datum])

    def state(self) -> str:
        """The alarm's state."""
        return str(self._watch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"][0]["StateValue"])

    def told(self) -> list[str]:
        """The states that the topic was told since the last call."""
        messages = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(json.loads(each["Body"])["Message"])["NewStateValue"] for each in messages]


@pytest.fixture
def heart(local_aws: LocalAws) -> Heart:
    """A heart of its own."""
    return Heart(root_session(local_aws), local_aws)


def test_alarm_when_the_heart_stops_then_fires_and_returns_with_it(heart: Heart) -> None:
    """Incident 9: silence is noticed by itself, told to the topic, and over with the next beat."""
    heart.beat()
    heart.listen()
    assert heart.state() == "OK"

    wait_for(lambda: heart.state() == "ALARM")  # no further call: time alone does it
    heart.beat()

    assert heart.state() == "OK"
    assert heart.told() == ["OK", "ALARM", "OK"]


def test_alarm_when_another_plane_beats_then_still_fires(heart: Heart) -> None:
    """Incident 9: one plane's health never masks the other's silence."""
    heart.beat("dagster")

    heart.listen(plane="lambda", period_s=60)

    assert heart.state() == "ALARM"


def test_alarm_when_some_periods_are_silent_then_datapoints_to_alarm_decides(heart: Heart) -> None:
    """One beat in three minutes is too few when two silent ones suffice, and enough when three are needed."""
    heart.beat()

    heart.listen(period_s=60, periods=3, DatapointsToAlarm=2)
    assert heart.state() == "ALARM"

    heart.listen(period_s=60, periods=3, DatapointsToAlarm=3)
    assert heart.state() == "OK"


@pytest.mark.parametrize(
    ("missing", "state"), [("notBreaching", "OK"), ("missing", "INSUFFICIENT_DATA"), ("breaching", "ALARM")]
)
def test_alarm_when_there_never_was_data_then_missing_data_is_what_it_says(
    heart: Heart, missing: str, state: str
) -> None:
    """TreatMissingData is respected from the first evaluation on."""
    heart.listen(TreatMissingData=missing)

    wait_for(lambda: heart.state() == state)


def test_alarm_when_values_cross_the_threshold_then_follows_them(heart: Heart) -> None:
    """Ordinary alarms work as before."""
    above = {"Statistic": "Maximum", "Threshold": 5.0, "ComparisonOperator": "GreaterThanThreshold"}
    heart.listen(period_s=60, **above)

    heart.beat(value=6)

    assert heart.state() == "ALARM"


def test_alarm_on_dead_letters_when_one_lies_there_then_fires(heart: Heart, local_aws: LocalAws) -> None:
    """Incident 8: the depth of a queue that an alarm watches is a metric, as on AWS."""
    session = root_session(local_aws)
    watch = session.client("cloudwatch", endpoint_url=local_aws.endpoint)
    sqs = session.client("sqs", endpoint_url=local_aws.endpoint)
    watch.put_metric_alarm(
        AlarmName=heart.name,
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": heart.name}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    wait_for(lambda: heart.state() == "OK")

    url = sqs.get_queue_url(QueueName=heart.name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="given up")

    wait_for(lambda: heart.state() == "ALARM")


def test_metrics_when_a_policy_names_a_namespace_then_no_other_is_writable(local_aws: LocalAws) -> None:
    """A role that may put heartbeats may put nothing else: `cloudwatch:namespace` is evaluated."""
    iam = root_session(local_aws).client("iam", endpoint_url=local_aws.endpoint)
    name = f"user-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    condition = {"StringEquals": {"cloudwatch:namespace": "Parjanya"}}
    right = {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": condition}
    rights = json.dumps({"Version": "2012-10-17", "Statement": [right]})
    iam.put_user_policy(UserName=name, PolicyName="beat", PolicyDocument=rights)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=local_aws.region)
    watch = session.client("cloudwatch", endpoint_url=local_aws.endpoint)

    watch.put_metric_data(Namespace="Parjanya", MetricData=[{"MetricName": "Heartbeat", "Value": 1}])

    with pytest.raises(ClientError, match="AccessDenied"):
        watch.put_metric_data(Namespace="Other", MetricData=[{"MetricName": "Heartbeat", "Value": 1}])
