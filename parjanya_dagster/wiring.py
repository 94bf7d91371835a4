"""The composition root: ports meet their edges here and nowhere else."""

import os
from datetime import UTC, datetime, timedelta

from parjanya_dagster.asg_executor.errors import EdgeError as ExecutorEdgeError
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.aws.archive import AwsArchive
from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.aws.control_dynamodb import DynamoControlStore
from parjanya_dagster.aws.dead_letters_sqs import SqsDeadLetters
from parjanya_dagster.aws.execution_asg import AutoScalingFleet
from parjanya_dagster.aws.heart_cloudwatch import CloudWatchHeart
from parjanya_dagster.aws.intent_sqs import SqsIntentQueue
from parjanya_dagster.aws.records_dynamodb import DynamoRecords
from parjanya_dagster.aws.tenant_buckets import S3TenantBuckets
from parjanya_dagster.aws.truth_dynamodb import DynamoImageStore
from parjanya_dagster.aws.truth_s3 import S3ObjectStore
from parjanya_dagster.control.platform import FleetPorts, Platform
from parjanya_dagster.core.belief.signals import Blind, Reading, StepsSignal
from parjanya_dagster.core.names import Names
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.reconcile.limits import Limits
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reader import ChildProcessReader
from parjanya_dagster.settings import Settings, load_settings


class ExecutorSteps:
    """The `StepBacklog` port over the asg_executor, which knows nothing of Parjanya and its errors."""

    def __init__(self, leases: LeaseTable) -> None:
        self._leases = leases

    def open_steps(self) -> StepsSignal:
        """See `StepBacklog`."""
        now = datetime.now(tz=UTC)
        try:
            return Reading(value=self._leases.count_open_steps(now=now.timestamp()), at=now)
        except ExecutorEdgeError as error:
            return Blind(signal="open steps", reason=str(error), at=now)


def platform_from_environment(plane: str) -> Platform:
    """Return the platform of this process, from PARJANYA_* and the usual AWS environment.

    Args:
        plane: `lambda`, `dagster`, `worker`, `web` or `cli`.

    Raises:
        ConfigError: settings are invalid or contradict each other.
    """
    return platform_from(load_settings(), plane=plane)


def platform_from(settings: Settings, *, plane: str) -> Platform:
    """Return the platform these settings describe.

    Raises:
        ConfigError: limits contradict each other.
    """
    names = Names(prefix=settings.prefix, account=settings.account)
    clients = AwsClients(region=settings.region, endpoint_url=settings.aws_endpoint_url)
    platform = Platform(
        names=names,
        images=DynamoImageStore(clients.dynamodb, table=names.images_table),
        queue=SqsIntentQueue(
            clients.sqs, queue=names.intents_queue, dead_letter_queue=names.dead_letter_queue
        ),
        dead_letters=SqsDeadLetters(clients.sqs, queue=names.dead_letter_queue),
        objects=S3ObjectStore(clients.s3),
        buckets=S3TenantBuckets(clients.s3, names=names, origins=settings.upload_origins.split(",")),
        control=DynamoControlStore(clients.dynamodb, table=names.control_table),
        records=DynamoRecords(clients.dynamodb, table=names.control_table),
        archive=AwsArchive(clients.s3, clients.dynamodb, names=names),
        fleet=AutoScalingFleet(clients.autoscaling, group=names.gpu_group),
        steps=ExecutorSteps(LeaseTable(clients.dynamodb, table=names.steps_table)),
        heart=CloudWatchHeart(clients.cloudwatch, prefix=names.prefix),
        reader=ChildProcessReader(Decoder()),
        limits=Limits(
            queue_quiet=timedelta(seconds=settings.queue_quiet_s),
            reading_gap=timedelta(seconds=settings.queue_quiet_s * 3 / 4),
            queue_settling=timedelta(seconds=min(15, settings.queue_quiet_s / 4)),
            visibility=timedelta(seconds=settings.visibility_s),
            longest_micro_batch=timedelta(seconds=settings.longest_micro_batch_s),
        ),
        capacity=capacity_limits(settings),
        clock=lambda: datetime.now(tz=UTC),
        entropy=os.urandom,
        plane=plane,
        others={
            name: _ports_of(name, clients, names, capacity_limits(settings, usd_per_hour=usd))
            for name, usd in settings.extra_fleets.items()
        },
    )
    return platform.of_fleet(settings.fleet) if plane == "worker" else platform


def _ports_of(fleet: str, clients: AwsClients, names: Names, capacity: CapacityLimits) -> FleetPorts:
    """Return what an extra fleet has of its own; all fleets share the dead letters."""
    return FleetPorts(
        queue=SqsIntentQueue(
            clients.sqs, queue=names.fleet_queue(fleet), dead_letter_queue=names.dead_letter_queue
        ),
        fleet=AutoScalingFleet(clients.autoscaling, group=names.fleet_group(fleet)),
        capacity=capacity,
    )


def capacity_limits(settings: Settings, *, usd_per_hour: float | None = None) -> CapacityLimits:
    """Return what a fleet may cost and how fast it should be: the same for every plane.

    Args:
        usd_per_hour: price of one instance of an extra fleet; None for the usual one's.

    Raises:
        ConfigError: the price cap pays for no instance.
    """
    return CapacityLimits(
        seconds_per_image=settings.seconds_per_image,
        time_allowed=timedelta(seconds=settings.deadline_s),
        max_instances=settings.max_instances,
        usd_per_instance_hour=usd_per_hour or settings.instance_usd_per_hour,
        price_cap_usd_per_hour=settings.price_cap_usd,
        cold_start=timedelta(seconds=settings.cold_start_s),
        warm_start=timedelta(seconds=settings.warm_start_s),
    )
