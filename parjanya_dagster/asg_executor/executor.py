"""`asg_executor`: a Dagster executor whose tagged steps run on an EC2 Auto Scaling group.

    Definitions(executor=asg_executor.configured({"step_queue": "steps", "steps_table": "steps", ...}))

    @asset(op_tags={"asg_executor/fleet": "gpu"}, retry_policy=RetryPolicy(max_retries=2))

Since the definitions' executor is used for every job, one without a tagged step runs in the run worker's own
process, as fast as Dagster's in-process executor, and needs no AWS at all.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import dagster as dg

from parjanya_dagster.asg_executor import _dagster_private as private
from parjanya_dagster.asg_executor.aws_edge import CLIENT_CONFIG
from parjanya_dagster.asg_executor.capacity import FleetCapacity
from parjanya_dagster.asg_executor.errors import ConfigError
from parjanya_dagster.asg_executor.handler import Fleet, FleetStepHandler
from parjanya_dagster.asg_executor.health import HealthLimits
from parjanya_dagster.asg_executor.lease_table import LeaseTable
from parjanya_dagster.asg_executor.step_queue import StepQueue, resolve_queue_url

DEFAULT_FLEET_TAG = "asg_executor/fleet"
DEFAULT_FLEET = "gpu"
DEFAULT_INLINE_TAG = "asg_executor/inline"

# Settings that may come from the environment, so that one code location serves a laptop and a deployment.
_ENVIRONMENT = {
    "step_queue": "ASG_EXECUTOR_STEP_QUEUE",
    "steps_table": "ASG_EXECUTOR_STEPS_TABLE",
    "auto_scaling_group": "ASG_EXECUTOR_AUTO_SCALING_GROUP",
    "code_version": "ASG_EXECUTOR_CODE_VERSION",
}

CONFIG_SCHEMA = {
    "step_queue": dg.Field(
        dg.StringSource,
        is_required=False,
        description="SQS queue of steps, by name or URL. Default: $ASG_EXECUTOR_STEP_QUEUE.",
    ),
    "steps_table": dg.Field(
        dg.StringSource,
        is_required=False,
        description="DynamoDB table of leases (string key `pk`). Default: $ASG_EXECUTOR_STEPS_TABLE.",
    ),
    "auto_scaling_group": dg.Field(
        dg.StringSource,
        is_required=False,
        description="Group whose desired capacity a launch raises. Default: $ASG_EXECUTOR_AUTO_SCALING_GROUP;"
        " without one, somebody else scales the fleet.",
    ),
    "code_version": dg.Field(
        dg.StringSource,
        is_required=False,
        description="Stamped on every step; agents of another version refuse it. Default:"
        " $ASG_EXECUTOR_CODE_VERSION.",
    ),
    "fleet_tag": dg.Field(
        dg.StringSource,
        default_value=DEFAULT_FLEET_TAG,
        description="Op tag key that sends a step to the fleet.",
    ),
    "fleet": dg.Field(
        dg.StringSource,
        default_value=DEFAULT_FLEET,
        description="The tag's value for this executor's fleet; another value is an error.",
    ),
    "inline_tag": dg.Field(
        dg.StringSource,
        default_value=DEFAULT_INLINE_TAG,
        description='Op tag key that, with the value "true", executes a step of a fleet run in the run worker'
        " itself: for steps that are over in a moment, since the loop waits for them.",
    ),
    "wait_seconds": dg.Field(
        int,
        default_value=900,
        description="How long a step may wait for a worker; must exceed an instance's boot and model load.",
    ),
    "lease_ttl_seconds": dg.Field(
        float,
        default_value=30.0,
        description="How long a worker may be silent before its step is declared dead and retried.",
    ),
    "health_interval_seconds": dg.Field(
        int, default_value=5, description="Between two checks of running steps."
    ),
    "grace_seconds": dg.Field(
        float,
        default_value=5.0,
        description="Between a worker's end and its result being visible in the event log.",
    ),
    "poll_seconds": dg.Field(
        float,
        default_value=0.5,
        description="The longest pause between two readings of the run's events; usually a tenth of the time"
        " since the last one.",
    ),
    "max_instances_per_launch": dg.Field(
        int,
        default_value=4,
        description="The most instances that launching one step may add to the group.",
    ),
    "max_instances": dg.Field(
        dg.Noneable(int),
        default_value=None,
        description="The most instances that launches may raise the group to, e.g. what a budget pays for."
        " Default: the group's own maximum.",
    ),
    "steps_per_instance": dg.Field(
        int,
        default_value=1,
        description="How many steps an instance executes at a time: what its agent's --children comes to.",
    ),
    "max_concurrent": dg.Field(
        dg.Noneable(int),
        default_value=None,
        description="The most steps of one run in progress at once. Default: no limit.",
    ),
    "tag_concurrency_limits": private.tag_concurrency_limits_field(),
    "retries": private.retries_field(),
}


@dg.executor(
    name="asg_executor",
    config_schema=CONFIG_SCHEMA,
    requirements=dg.multiple_process_executor_requirements(),
)
def asg_executor(init_context: dg.InitExecutorContext) -> dg.Executor:
    """Executes steps tagged for the fleet on instances of an EC2 Auto Scaling group, the others locally."""
    return AsgExecutor(init_context.executor_config, environment=os.environ)


class AsgExecutor(dg.Executor):
    """Chooses per run: in process where nothing is tagged, else the fleet's step-delegating loop."""

    def __init__(self, config: Mapping[str, Any], *, environment: Mapping[str, str]) -> None:
        self._config = config
        self._environment = environment
        self._tag = FleetTag(key=config["fleet_tag"], fleet=config["fleet"])
        retries = private.RetryMode.from_config(config["retries"])
        self._retries = retries or private.RetryMode.ENABLED

    @property
    def retries(self) -> private.RetryMode:
        """Whether failed steps are retried under their policy."""
        return self._retries

    def execute(
        self,
        plan_context: private.PlanOrchestrationContext,
        execution_plan: private.ExecutionPlan,
    ) -> Iterator[private.DagsterEvent]:
        """Execute the plan.

        Raises:
            ConfigError: a step is tagged for the fleet and the fleet is not configured, or not by that name.
        """
        steps = execution_plan.step_dict.values()
        fleet_steps = [step for step in steps if self._tag.names_fleet(step.tags or {})]
        if not fleet_steps:
            yield from private.in_process_executor(self._retries).execute(plan_context, execution_plan)
            return
        inline_tag = self._config["inline_tag"]
        handler = FleetStepHandler(
            self._fleet(),
            is_fleet_step=self._tag.names_fleet,
            is_inline_step=lambda tags: tags.get(inline_tag) == "true",
        )
        try:
            yield from self._delegating(handler).execute(plan_context, execution_plan)
        finally:
            handler.close()

    def _delegating(self, handler: FleetStepHandler) -> dg.Executor:
        config = self._config
        return private.delegating_executor(
            handler,
            retries=self._retries,
            poll_s=config["poll_seconds"],
            health_interval_s=config["health_interval_seconds"],
            max_concurrent=config["max_concurrent"],
            tag_concurrency_limits=config.get("tag_concurrency_limits"),
        )

    def _fleet(self) -> Fleet:
        config = self._config
        queue_name = self._setting("step_queue")
        table = self._setting("steps_table")
        missing = [_ENVIRONMENT[name] for name in ("step_queue", "steps_table") if not self._setting(name)]
        if not queue_name or not table:
            raise ConfigError(
                f"steps are tagged {self._tag.key}={self._tag.fleet}, but the fleet is not configured:"
                f" set {' and '.join(missing)}, or step_queue and steps_table in the executor's config",
            )
        group = self._setting("auto_scaling_group")
        sqs = boto3.client("sqs", config=CLIENT_CONFIG)
        queue_url = resolve_queue_url(sqs, queue_name)
        return Fleet(
            queue=StepQueue(sqs, queue_url=queue_url),
            leases=LeaseTable(boto3.client("dynamodb", config=CLIENT_CONFIG), table=table),
            raise_capacity=self._capacity(group).raise_to if group else None,
            limits=HealthLimits(
                wait_s=config["wait_seconds"],
                lease_ttl_s=config["lease_ttl_seconds"],
                grace_s=config["grace_seconds"],
            ),
            code_version=self._setting("code_version"),
            location={"queue": queue_url, "lease_table": table, "auto_scaling_group": group},
        )

    def _capacity(self, group: str) -> FleetCapacity:
        return FleetCapacity(
            boto3.client("autoscaling", config=CLIENT_CONFIG),
            group_name=group,
            max_new_instances=self._config["max_instances_per_launch"],
            max_instances=self._config["max_instances"],
            steps_per_instance=max(1, self._config["steps_per_instance"]),
        )

    def _setting(self, name: str) -> str:
        return str(self._config.get(name) or self._environment.get(_ENVIRONMENT[name], ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetTag:
    """The op tag that sends a step to the fleet."""

    key: str
    fleet: str

    def names_fleet(self, tags: Mapping[str, str]) -> bool:
        """Whether `tags` send a step to this fleet.

        Raises:
            ConfigError: they name another fleet.
        """
        named = tags.get(self.key)
        if named not in (None, self.fleet):
            raise ConfigError(f"a step is tagged {self.key}={named}; this executor serves {self.fleet} only")
        return named is not None
