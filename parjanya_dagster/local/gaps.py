# ruff: noqa: SLF001 - the one file that may use the private names of another project (see below)
"""What the local AWS process (ministack) lacks for this product, filled through its own registries.

The only file that may use that process' private names: they are asserted at start, and their effects
are contract-tested over HTTP, so that an upgrade fails here by name and not as a wrong answer in the
product. Each gap is one class with `install`; a warm pool or an alarm ticker is one more class in `_GAPS`.
"""

import importlib
import json
import os
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, Final, TypeAlias
from xml.sax.saxutils import escape

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.local.function_events import Delivery, FunctionEvents

Application: TypeAlias = Callable[[dict[str, Any], Any, Any], Awaitable[None]]  # ASGI 3
Instance: TypeAlias = dict[str, Any]
Group: TypeAlias = dict[str, Any]
Response: TypeAlias = tuple[int, dict[str, str], bytes]

TESTED_VERSION: Final = "1.5.33"
ACTIVITIES_KEPT: Final = 100
EVENTS_AT_ONCE: Final = max(2, os.cpu_count() or 1)
"""Executions of one function side by side: each costs two processes, and this machine has so many cores."""

_REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "ministack.app": ("app", "_build_persistence_save_dict", "_load_persisted_state"),
    "ministack.core.iam_actions": ("extract_iam_action", "extract_resource_arn", "s3_service_context"),
    "ministack.core.persistence": ("load_state", "save_all"),
    "ministack.services.autoscaling": (
        *("_ACTION_MAP", "_asgs", "_error", "_p", "_parse_member_list", "_reconcile_instances"),
        *("_set_desired_capacity", "_xml", "new_uuid", "now_iso"),
    ),
    "ministack.services.dynamodb": ("stream_start_position",),
    "ministack.services.eventbridge": ("_dispatch_to_lambda",),
    "ministack.services.lambda_svc": (
        "_dynamodb_stream_positions",
        "_ensure_poller",
        "_execute_function_with_config_scope",
        "_execution_record_for_config",
        "_get_func_record_for_ref",
        "_iter_all_esms",
    ),
}


def load_application() -> Application:
    """Import the local AWS process, fill its gaps and return its ASGI application.

    The environment must be complete before: its modules read it when they are imported.

    Raises:
        ConfigError: another version is installed, and a private name used here is gone.
    """
    modules = {name: importlib.import_module(name) for name in _REQUIRED}
    missing = [
        f"{name}.{attribute}"
        for name, attributes in _REQUIRED.items()
        for attribute in attributes
        if not hasattr(modules[name], attribute)
    ]
    if missing:
        raise ConfigError(
            f"ministack {version('ministack')} lacks {', '.join(missing)}: "
            f"install ministack=={TESTED_VERSION}, or adapt parjanya_dagster/local/gaps.py",
        )
    for gap in _GAPS:
        gap(modules).install()
    application: Application = modules["ministack.app"].app
    return application


def save_state() -> None:
    """Write every service's state to the state directory; a file is replaced whole or not at all."""
    application = importlib.import_module("ministack.app")
    importlib.import_module("ministack.core.persistence").save_all(application._build_persistence_save_dict())


class _InstanceProtection:
    """Auto Scaling: protection, terminate, activities, scale-in that respects protection, a real maximum."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._service = modules["ministack.services.autoscaling"]
        self._grow = self._service._reconcile_instances
        self._set_desired = self._service._set_desired_capacity

    def install(self) -> None:
        """Replace the resize step and register the missing actions."""
        self._service._reconcile_instances = self._resize
        self._service._ACTION_MAP.update(
            SetDesiredCapacity=self._set_desired_capacity,
            SetInstanceProtection=self._set_instance_protection,
            TerminateInstanceInAutoScalingGroup=self._terminate_instance,
            DescribeScalingActivities=self._describe_activities,
        )

    def _resize(self, group: Group) -> None:
        instances: list[Instance] = group["Instances"]
        for instance in reversed(instances.copy()):
            if len(instances) <= group["DesiredCapacity"]:
                break
            if not instance["ProtectedFromScaleIn"]:
                instances.remove(instance)
                self._record(group, f"Terminating EC2 instance: {instance['InstanceId']}")
        if len(instances) < group["DesiredCapacity"]:
            known = len(instances)
            self._grow(group)
            for instance in instances[known:]:
                self._record(group, f"Launching a new EC2 instance: {instance['InstanceId']}")

    def _set_desired_capacity(self, parameters: dict[str, Any]) -> Response:
        group = self._group(parameters)
        desired = int(self._service._p(parameters, "DesiredCapacity") or 0)
        if group is not None:
            for bound, word, wrong in (
                ("MaxSize", "above max", desired > group["MaxSize"]),
                ("MinSize", "below min", desired < group["MinSize"]),
            ):
                if wrong:
                    return self._invalid(
                        f"New SetDesiredCapacity value {desired} is {word} value {group[bound]} "
                        "for the AutoScalingGroup.",
                    )
        response: Response = self._set_desired(parameters)
        return response

    def _set_instance_protection(self, parameters: dict[str, Any]) -> Response:
        group = self._group(parameters)
        if group is None:
            return self._invalid("AutoScalingGroup name not found - null")
        members = {instance["InstanceId"]: instance for instance in group["Instances"]}
        wanted = self._service._parse_member_list(parameters, "InstanceIds")
        for instance_id in wanted:
            if instance_id not in members:
                name = group["AutoScalingGroupName"]
                return self._invalid(f"The instance {instance_id} is not part of Auto Scaling group {name}.")
        for instance_id in wanted:
            members[instance_id]["ProtectedFromScaleIn"] = (
                self._service._p(parameters, "ProtectedFromScaleIn") == "true"
            )
        self._resize(group)  # a scale-in that protection held back happens now, as it does on AWS
        return self._answer("SetInstanceProtection", "")

    def _terminate_instance(self, parameters: dict[str, Any]) -> Response:
        instance_id = self._service._p(parameters, "InstanceId")
        decrement = self._service._p(parameters, "ShouldDecrementDesiredCapacity") == "true"
        for group in self._service._asgs.values():
            for instance in group["Instances"]:
                if instance["InstanceId"] != instance_id:
                    continue
                if decrement and group["DesiredCapacity"] <= group["MinSize"]:
                    return self._invalid(
                        "Currently, desiredSize equals minSize. Terminating instance without replacement "
                        "will violate group's min size constraint.",
                    )
                group["Instances"].remove(instance)
                group["DesiredCapacity"] -= decrement
                activity = self._record(group, f"Terminating EC2 instance: {instance_id}")
                self._resize(group)
                return self._answer(
                    "TerminateInstanceInAutoScalingGroup", f"<Activity>{_xml(activity)}</Activity>"
                )
        return self._invalid(
            f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
        )

    def _describe_activities(self, parameters: dict[str, Any]) -> Response:
        group = self._group(parameters)
        groups = list(self._service._asgs.values()) if group is None else [group]
        members = "".join(
            f"<member>{_xml(activity)}</member>"
            for each in groups
            for activity in each.get("ParjanyaActivities", ())
        )
        return self._answer("DescribeScalingActivities", f"<Activities>{members}</Activities>")

    def _record(self, group: Group, description: str) -> dict[str, str]:
        now = self._service.now_iso()
        activity = {
            "ActivityId": self._service.new_uuid(),
            "AutoScalingGroupName": group["AutoScalingGroupName"],
            "Description": description,
            "Cause": f"At {now} the group's desired capacity is {group['DesiredCapacity']}.",
            "StartTime": now,
            "EndTime": now,
            "StatusCode": "Successful",
            "Progress": "100",
        }
        # kept in the group's own record, and therefore saved and deleted with it
        group["ParjanyaActivities"] = [activity, *group.get("ParjanyaActivities", [])][:ACTIVITIES_KEPT]
        return activity

    def _group(self, parameters: dict[str, Any]) -> Group | None:
        group: Group | None = self._service._asgs.get(self._service._p(parameters, "AutoScalingGroupName"))
        return group

    def _invalid(self, message: str) -> Response:
        response: Response = self._service._error("ValidationError", escape(message))
        return response

    def _answer(self, action: str, inner: str) -> Response:
        response: Response = self._service._xml(
            200, f"{action}Response", f"<{action}Result>{inner}</{action}Result>"
        )
        return response


class _Authorisation:
    """IAM: a call that names an instance is authorised on its group, and a batch as its single action.

    As on AWS, where no policy can name `sqs:SendMessageBatch`.
    """

    def __init__(self, modules: dict[str, Any]) -> None:
        self._service = modules["ministack.services.autoscaling"]
        self._actions = modules["ministack.core.iam_actions"]
        self._action = self._actions.extract_iam_action
        self._resource = self._actions.extract_resource_arn

    def install(self) -> None:
        """Correct what the policies are evaluated for."""
        self._actions.extract_iam_action = self._single_action
        self._actions.extract_resource_arn = self._with_group

    def _single_action(self, service: str, *arguments: Any) -> str | None:  # noqa: ANN401 - passed on untouched
        action: str | None = self._action(service, *arguments)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    def _with_group(self, service: str, *arguments: Any) -> str:  # noqa: ANN401 - passed on untouched
        query = arguments[4]
        instance_id = self._service._p(query, "InstanceId") if service == "autoscaling" else ""
        for name, group in self._service._asgs.items() if instance_id else ():
            if any(instance["InstanceId"] == instance_id for instance in group["Instances"]):
                arguments = (*arguments[:4], {**query, "AutoScalingGroupName": name}, *arguments[5:])
        resource: str = self._resource(service, *arguments)
        return resource


class _StreamMappings:
    """Lambda: after a restart a stream starts at zero again, but a mapping keeps its old position.

    Without this the first records after a restart, as many as there ever were before it, are skipped.
    """

    def __init__(self, modules: dict[str, Any]) -> None:
        self._application = modules["ministack.app"]
        self._functions = modules["ministack.services.lambda_svc"]
        self._tables = modules["ministack.services.dynamodb"]
        self._load = self._application._load_persisted_state

    def install(self) -> None:
        """Run after the state has been loaded, before the first request is answered."""
        self._application._load_persisted_state = self._load_and_rewind

    def _load_and_rewind(self) -> None:
        self._load()
        for account, region, mapping in self._functions._iter_all_esms():
            source = mapping.get("EventSourceArn", "")
            if ":dynamodb:" not in source:
                continue
            table = source.split("/")[1]
            oldest = self._tables.stream_start_position(table, account_id=account, region=region)
            self._functions._dynamodb_stream_positions.set_scoped(account, region, mapping["UUID"], oldest)
            self._functions._ensure_poller()


class _FunctionEvents:
    """EventBridge: events for functions are queued, run a few at a time, and survive a stop.

    Without this a hundred uploads start a hundred functions at once, and those that run when the process
    stops are forgotten: their uploads would wait for the sweep of abandoned ones, more than an hour later.
    """

    _STATE: Final = "parjanya_function_events"

    def __init__(self, modules: dict[str, Any]) -> None:
        self._application = modules["ministack.app"]
        self._persistence = modules["ministack.core.persistence"]
        self._bus = modules["ministack.services.eventbridge"]
        self._functions = modules["ministack.services.lambda_svc"]
        self._load = self._application._load_persisted_state
        self._to_save = self._application._build_persistence_save_dict
        self._events = FunctionEvents(self._invoke, concurrency=EVENTS_AT_ONCE)

    def install(self) -> None:
        """Take over the delivery, and save and load what is under way with everything else."""
        self._bus._dispatch_to_lambda = self._events.put
        self._application._build_persistence_save_dict = self._with_events
        self._application._load_persisted_state = self._load_and_go_on

    def _invoke(self, function: str, payload: str) -> Delivery:
        found, config, _ = self._functions._get_func_record_for_ref(function)
        if not found or not config:
            return Delivery.FAILED
        record = self._functions._execution_record_for_config(found, config)
        result = self._functions._execute_function_with_config_scope(record, json.loads(payload))
        if result.get("throttle"):
            return Delivery.THROTTLED
        return Delivery.FAILED if result.get("error") else Delivery.DONE

    def _with_events(self) -> dict[str, Callable[[], Any]]:
        return {**self._to_save(), self._STATE: lambda: {"events": self._events.unfinished()}}

    def _load_and_go_on(self) -> None:
        self._load()
        saved = self._persistence.load_state(self._STATE) or {}
        self._events.put_all((function, payload) for function, payload in saved.get("events", ()))


class _ConditionalWrites:
    """S3: the condition keys by which a bucket policy can demand `If-None-Match: *`.

    Without them that policy, as AWS documents it, allows everything here.
    """

    def __init__(self, modules: dict[str, Any]) -> None:
        self._actions = modules["ministack.core.iam_actions"]
        self._context = self._actions.s3_service_context

    def install(self) -> None:
        """Extend what a request tells the policy evaluation."""
        self._actions.s3_service_context = self._with_precondition

    def _with_precondition(
        self, action: str, query: dict[str, Any] | None, path: str = "", headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        context: dict[str, Any] = self._context(action, query, path, headers)
        if action == "s3:PutObject":
            # parts and the start of a multipart upload create no object yet
            is_part = not {"partNumber", "uploads"}.isdisjoint(query or {})
            context["s3:ObjectCreationOperation"] = "false" if is_part else "true"
            precondition = (headers or {}).get("if-none-match")
            if precondition is not None:
                context["s3:if-none-match"] = precondition
        return context


_GAPS: Final = (_InstanceProtection, _Authorisation, _StreamMappings, _FunctionEvents, _ConditionalWrites)


def _xml(fields: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
