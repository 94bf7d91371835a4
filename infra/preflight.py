"""What a deploy must have brought about, asked of the services themselves.

A stack that is complete proves only that nobody complained: an endpoint may ignore a property, and a
person may have changed a resource since. So each effect that the product relies on is described.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.names import Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One effect: what it is called, what it should be and what was found."""

    name: str
    wanted: object
    found: object

    @property
    def is_seen(self) -> bool:
        """Whether the effect is there."""
        return self.wanted == self.found

    def __str__(self) -> str:
        return f"{self.name} is {self.found!r}, wanted {self.wanted!r}"


def assert_effects(
    session: boto3.Session,
    names: Names,
    *,
    endpoint_url: str | None = None,
    known_differences: frozenset[str] = frozenset(),
    fleets: Sequence[str] = (),
) -> list[str]:
    """Return the known differences met, as readable lines.

    Args:
        session: credentials that may describe everything.
        names: the deployment.
        endpoint_url: None for AWS.
        known_differences: names of effects that this endpoint does not show.
        fleets: names of the extra fleets.

    Raises:
        ConfigError: some other effect is missing; all of them are listed.
    """
    effects = describe_effects(session, names, endpoint_url=endpoint_url, fleets=fleets)
    missing = [effect for effect in effects if not effect.is_seen]
    unknown = [effect for effect in missing if effect.name not in known_differences]
    if unknown:
        raise ConfigError(
            "deployed, but not as the templates say: "
            + "; ".join(str(effect) for effect in unknown)
            + ". Somebody may have changed it by hand: restore it, or change the template and deploy again",
        )
    return [str(effect) for effect in missing]


def describe_effects(
    session: boto3.Session, names: Names, *, endpoint_url: str | None = None, fleets: Sequence[str] = ()
) -> list[Effect]:
    """Return every effect the product relies on, with what was found."""

    def client(service: str) -> Any:  # noqa: ANN401 - one factory for seven typed clients
        # the service's name is dynamic here, which boto3's types cannot follow
        return session.client(service, endpoint_url=endpoint_url)  # type: ignore[call-overload]  # a name at run time

    public = _ask(client("s3").get_public_access_block, Bucket=names.artifacts_bucket)
    blocks = public.get("PublicAccessBlockConfiguration", {})
    return [
        *_table_effects(client("dynamodb"), names),
        *_queue_effects(client("sqs"), names, fleets),
        *_group_effects(client("autoscaling"), names.gpu_group, "worker-group"),
        *(
            effect
            for fleet in fleets
            for effect in _group_effects(
                client("autoscaling"), names.fleet_group(fleet), f"worker-group-{fleet}"
            )
        ),
        *_pool_effects(client("autoscaling"), names),
        *_alarm_effects(client("cloudwatch"), names),
        *_function_effects(client("lambda"), names),
        *_rule_effects(client("events"), names),
        Effect(name="artifacts-bucket.closed", wanted=[True] * 4, found=list(blocks.values())),
    ]


def _table_effects(client: Any, names: Names) -> list[Effect]:  # noqa: ANN401 - see `client` above
    effects = []
    for table, label, has_ttl, has_pitr in (
        (names.images_table, "images-table", False, True),
        (names.control_table, "control-table", True, True),
        (names.steps_table, "steps-table", True, False),
    ):
        status = _ask(client.describe_table, TableName=table).get("Table", {}).get("TableStatus")
        effects.append(Effect(name=f"{label}.status", wanted="ACTIVE", found=status))
        if has_ttl:
            ttl = _ask(client.describe_time_to_live, TableName=table).get("TimeToLiveDescription", {})
            effects.append(Effect(name=f"{label}.ttl", wanted="expires_at", found=ttl.get("AttributeName")))
        if has_pitr:
            backups = _ask(client.describe_continuous_backups, TableName=table).get(
                "ContinuousBackupsDescription", {}
            )
            status = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
            effects.append(Effect(name=f"{label}.pitr", wanted="ENABLED", found=status))
    images = _ask(client.describe_table, TableName=names.images_table).get("Table", {})
    indexes = sorted(index["IndexName"] for index in images.get("GlobalSecondaryIndexes", []))
    view = images.get("StreamSpecification", {}).get("StreamViewType")
    return [
        *effects,
        Effect(name="images-table.indexes", wanted=["gap", "listing", "outstanding"], found=indexes),
        Effect(name="images-table.stream", wanted="NEW_AND_OLD_IMAGES", found=view),
    ]


def _queue_effects(client: Any, names: Names, fleets: Sequence[str]) -> list[Effect]:  # noqa: ANN401 - see `client` above
    effects = []
    of_fleets = {names.fleet_queue(fleet): f"intents-queue-{fleet}" for fleet in fleets}
    for queue, label, retention_s, visibility_s in (
        *((queue, label, 604_800, 180) for queue, label in of_fleets.items()),
        (names.intents_queue, "intents-queue", 604_800, 180),
        (names.dead_letter_queue, "dead-letter-queue", 1_209_600, 30),
        (names.steps_queue, "steps-queue", 604_800, 180),
    ):
        url = _ask(client.get_queue_url, QueueName=queue).get("QueueUrl", queue)
        found = _ask(client.get_queue_attributes, QueueUrl=url, AttributeNames=["All"]).get("Attributes", {})
        for attribute, wanted in (
            ("MessageRetentionPeriod", retention_s),
            ("VisibilityTimeout", visibility_s),
        ):
            effects.append(
                Effect(name=f"{label}.{attribute}", wanted=str(wanted), found=found.get(attribute))
            )
        if queue in (names.intents_queue, *of_fleets):
            redrives = f':{names.dead_letter_queue}"' in found.get("RedrivePolicy", "")
            effects.append(Effect(name=f"{label}.redrives", wanted=True, found=redrives))
    return effects


def _group_effects(client: Any, name: str, label: str) -> list[Effect]:  # noqa: ANN401 - see `client` above
    found = _ask(client.describe_auto_scaling_groups, AutoScalingGroupNames=[name])
    group: dict[str, Any] = next(iter(found.get("AutoScalingGroups", [])), {})
    protected = group.get("NewInstancesProtectedFromScaleIn")
    return [
        Effect(name=f"{label}.min", wanted=0, found=group.get("MinSize")),
        Effect(name=f"{label}.new_instances_protected", wanted=True, found=protected),
        Effect(name=f"{label}.launches", wanted=True, found="LaunchTemplate" in group),
    ]


def _pool_effects(client: Any, names: Names) -> list[Effect]:  # noqa: ANN401 - see `client` above
    pool = _ask(client.describe_warm_pool, AutoScalingGroupName=names.gpu_group)
    found = _ask(client.describe_lifecycle_hooks, AutoScalingGroupName=names.gpu_group)
    hooked = {hook["LifecycleHookName"]: hook for hook in found.get("LifecycleHooks", [])}
    transition = hooked.get(f"{names.prefix}-boot", {}).get("LifecycleTransition")
    boots_whole = not pool.get("WarmPoolConfiguration") or transition == "autoscaling:EC2_INSTANCE_LAUNCHING"
    return [
        # a pool without the hook that workers answer stops its instances in the middle of their boot
        Effect(name="warm-pool.has_launch_hook", wanted=True, found=boots_whole),
    ]


def _alarm_effects(client: Any, names: Names) -> list[Effect]:  # noqa: ANN401 - see `client` above
    wanted = {f"{names.prefix}-heartbeat-{plane}": plane for plane in ("dagster", "lambda")}
    found = _ask(client.describe_alarms, AlarmNames=sorted(wanted)).get("MetricAlarms", [])
    alarms = {wanted[alarm["AlarmName"]]: alarm for alarm in found}
    effects = []
    for plane in wanted.values():
        alarm = alarms.get(plane, {})
        topics = [action.rpartition(":")[2] for action in alarm.get("AlarmActions", [])]
        missing = alarm.get("TreatMissingData")
        effects += [
            Effect(name=f"{plane}-heartbeat.silence_is", wanted="breaching", found=missing),
            Effect(name=f"{plane}-heartbeat.tells", wanted=[f"{names.prefix}-alarms"], found=topics),
        ]
    return effects


def _function_effects(client: Any, names: Names) -> list[Effect]:  # noqa: ANN401 - see `client` above
    effects = []
    for function in ("on-upload", "on-stream", "on-schedule"):
        found = _ask(client.get_function_configuration, FunctionName=f"{names.prefix}-{function}")
        wanted = f"parjanya_dagster.lambdas.{function.replace('-', '_')}.handler"
        effects.append(Effect(name=f"{function}.handler", wanted=wanted, found=found.get("Handler")))
        if function != "on-upload":  # a burst of uploads must not starve reconciliation
            reserved = _ask(client.get_function_concurrency, FunctionName=f"{names.prefix}-{function}")
            has_share = reserved.get("ReservedConcurrentExecutions", 0) > 0
            effects.append(Effect(name=f"{function}.has_reserved_share", wanted=True, found=has_share))
    mappings = _ask(client.list_event_source_mappings, FunctionName=f"{names.prefix}-on-stream")
    # an enabled mapping reports Creating or Enabling for its first minute on AWS
    on = [
        each["State"] in {"Creating", "Enabling", "Enabled"}
        for each in mappings.get("EventSourceMappings", [])
    ]
    return [*effects, Effect(name="on-stream.mappings_on", wanted=[True], found=on)]


def _rule_effects(client: Any, names: Names) -> list[Effect]:  # noqa: ANN401 - see `client` above
    effects = []
    for rule, function in (("uploads", "on-upload"), ("every-minute", "on-schedule")):
        name = f"{names.prefix}-{rule}"
        state = _ask(client.describe_rule, Name=name).get("State")
        targets = _ask(client.list_targets_by_rule, Rule=name).get("Targets", [])
        called = [target["Arn"].rpartition(":")[2] for target in targets]
        effects.append(Effect(name=f"{rule}-rule.state", wanted="ENABLED", found=state))
        effects.append(
            Effect(name=f"{rule}-rule.targets", wanted=[f"{names.prefix}-{function}"], found=called)
        )
    return effects


def _ask(call: Callable[..., dict[str, Any]], **arguments: object) -> dict[str, Any]:
    """Return the answer, or an empty one for what does not exist: absence is a finding, not a crash."""
    try:
        return call(**arguments)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status in {400, 404} and "AccessDenied" not in str(error):
            return {}
        raise
