# ruff: noqa: SLF001 - private names of another project, asserted at start by application.py
"""Auto Scaling: instances that boot, wait for hooks, are protected, fail to launch, and have a history.

The local process itself knows groups as numbers: what is desired is in service at once. Here its records
are moved by `ScalingGroup`, before and after each call and with each tick.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias
from xml.sax.saxutils import escape

from parjanya_dagster.local.lifecycle_hooks import Result, Transition, complete_action, prolong_action
from parjanya_dagster.local.scaling_activities import activities_of
from parjanya_dagster.local.scaling_group import (
    LaunchFailedError,
    LaunchTimes,
    Record,
    ScalingGroup,
    is_ending,
)
from parjanya_dagster.local.warm_pool import Pool

Parameters: TypeAlias = dict[str, Any]
Response: TypeAlias = tuple[int, dict[str, str], bytes]
Action: TypeAlias = Callable[[Parameters], Response]

WARM_SHARE: Final = 0.15
"""A stopped machine starts in 36 s where a new one takes 243 s (AWS' sample of a warm pool)."""


def launch_times(environment: dict[str, str] | os._Environ[str]) -> LaunchTimes:
    """Return how long launches take: none, unless PARJANYA_LOCAL_BOOT_S and its kin say otherwise."""
    cold_s = float(environment.get("PARJANYA_LOCAL_BOOT_S", "0"))
    return LaunchTimes(
        cold_s=cold_s,
        warm_s=float(environment.get("PARJANYA_LOCAL_WARM_BOOT_S", cold_s * WARM_SHARE)),
        retry_s=float(environment.get("PARJANYA_LOCAL_LAUNCH_RETRY_S", "10")),
    )


class AutoScaling:
    """The actions that the local process lacks or answers without doing anything."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._modules = modules
        self._service = modules["ministack.services.autoscaling"]
        self._handlers = modules["ministack.services.cloudformation.provisioners"]._RESOURCE_HANDLERS
        self._times = launch_times(os.environ)

    def install(self) -> None:
        """Replace the resize step, register the missing actions, and settle around every action."""
        actions: dict[str, Action] = self._service._ACTION_MAP
        self._service._reconcile_instances = lambda group: self._settle(group, try_again=True)
        actions.update(
            CompleteLifecycleAction=self._complete_lifecycle_action,
            DescribeAutoScalingInstances=self._describe_instances,
            DescribeScalingActivities=self._describe_activities,
            RecordLifecycleActionHeartbeat=self._record_heartbeat,
            SetDesiredCapacity=self._within_bounds(actions["SetDesiredCapacity"]),
            SetInstanceProtection=self._set_instance_protection,
            TerminateInstanceInAutoScalingGroup=self._terminate_instance,
            UpdateAutoScalingGroup=self._with_launch_template(actions["UpdateAutoScalingGroup"]),
        )
        for name, action in actions.items():
            actions[name] = self._settled(action)
        resource = self._handlers["AWS::AutoScaling::AutoScalingGroup"]
        resource["update"] = self._keeping_desired(resource["update"])

    def tick(self) -> bool:
        """Let what is due happen in every group, and return whether anything did."""
        moved = False
        for (account, region, _), group in list(self._service._asgs.all_items()):
            with self._modules["ministack.core.responses"].request_scope(account, region):
                moved |= self._settle(group)
        return moved

    def _settle(self, group: Record, *, try_again: bool = False) -> bool:
        return self._scaling(group).settle(try_again=try_again)

    def _scaling(self, group: Record) -> ScalingGroup:
        return ScalingGroup(group, _Surroundings(self._modules, group), times=self._times, now=time.time())

    def _settled(self, action: Action) -> Action:
        def act_on_what_is_now(parameters: Parameters) -> Response:
            for group in self._service._asgs.values():
                self._settle(group)
            response = action(parameters)
            for group in self._service._asgs.values():
                self._settle(group)
            return response

        return act_on_what_is_now

    def _within_bounds(self, set_desired: Action) -> Action:
        def set_desired_within_bounds(parameters: Parameters) -> Response:
            group = self._group(parameters)
            desired = int(self._service._p(parameters, "DesiredCapacity") or 0)
            for bound, word, wrong in (
                ("MaxSize", "above max", group is not None and desired > group["MaxSize"]),
                ("MinSize", "below min", group is not None and desired < group["MinSize"]),
            ):
                if group is not None and wrong:
                    return self._invalid(
                        f"New SetDesiredCapacity value {desired} is {word} value {group[bound]} "
                        "for the AutoScalingGroup.",
                    )
            return set_desired(parameters)

        return set_desired_within_bounds

    def _with_launch_template(self, update: Action) -> Action:
        def update_everything(parameters: Parameters) -> Response:
            group = self._group(parameters)
            read = self._service._p
            given = [read(parameters, f"LaunchTemplate.LaunchTemplate{key}") for key in ("Id", "Name")]
            if group is not None and any(given):
                group["LaunchTemplate"] = {
                    "LaunchTemplateId": given[0] or given[1],
                    "LaunchTemplateName": given[1],
                    "Version": read(parameters, "LaunchTemplate.Version") or "$Default",
                }
            response = update(parameters)
            if group is not None:  # as on AWS, new bounds move what is desired
                _keep_within_bounds(group, desired=group["DesiredCapacity"])
            return response

        return update_everything

    def _keeping_desired(self, update: Callable[..., Any]) -> Callable[..., Any]:
        """A template without DesiredCapacity leaves it as it is; the local process would reset it."""

        def update_resource(physical_id: str, old: Record, new: Record, *arguments: object) -> object:
            group = self._service._asgs.get(physical_id)
            desired = group["DesiredCapacity"] if group else 0
            answer = update(physical_id, old, new, *arguments)
            updated = self._service._asgs.get(physical_id)
            if updated is not None and "DesiredCapacity" not in new:
                _keep_within_bounds(updated, desired=desired)
            return answer

        return update_resource

    def _set_instance_protection(self, parameters: Parameters) -> Response:
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
        return self._answer("SetInstanceProtection", "")

    def _terminate_instance(self, parameters: Parameters) -> Response:
        instance_id = self._service._p(parameters, "InstanceId")
        decrement = self._service._p(parameters, "ShouldDecrementDesiredCapacity") == "true"
        for group, instance in self._instances():
            if instance["InstanceId"] != instance_id:
                continue
            if is_ending(instance):
                known = (each for each in activities_of(group) if instance_id in each["Description"])
                return self._terminated(next(known, {}))
            serves = instance in group["Instances"]
            if serves and decrement and group["DesiredCapacity"] <= group["MinSize"]:
                return self._invalid(
                    "Currently, desiredSize equals minSize. Terminating instance without replacement "
                    "will violate group's min size constraint.",
                )
            group["DesiredCapacity"] -= decrement and serves
            activity = self._scaling(group).terminate(instance, why="an instance was terminated by a user.")
            return self._terminated(activity)
        return self._invalid(
            f"Instance Id not found - No managed instance found for instance ID: {instance_id}"
        )

    def _terminated(self, activity: Record) -> Response:
        inner = f"<Activity>{_xml(activity)}</Activity>"
        return self._answer("TerminateInstanceInAutoScalingGroup", inner)

    def _describe_instances(self, parameters: Parameters) -> Response:
        wanted = self._service._parse_member_list(parameters, "InstanceIds")
        members = "".join(
            self._service._instance_member_xml(instance, include_group_name=group["AutoScalingGroupName"])
            for group, instance in self._instances()
            if not wanted or instance["InstanceId"] in wanted
        )
        inner = f"<AutoScalingInstances>{members}</AutoScalingInstances>"
        return self._answer("DescribeAutoScalingInstances", inner)

    def _describe_activities(self, parameters: Parameters) -> Response:
        group = self._group(parameters)
        groups = list(self._service._asgs.values()) if group is None else [group]
        limit = int(self._service._p(parameters, "MaxRecords") or 100)
        activities = [activity for each in groups for activity in activities_of(each)]
        members = "".join(f"<member>{_xml(activity)}</member>" for activity in activities[:limit])
        return self._answer("DescribeScalingActivities", f"<Activities>{members}</Activities>")

    def _complete_lifecycle_action(self, parameters: Parameters) -> Response:
        result = self._service._p(parameters, "LifecycleActionResult")
        if result not in set(Result):
            return self._invalid(f"Unsupported lifecycle action result: {result}")
        return self._with_action(
            parameters,
            "CompleteLifecycleAction",
            lambda instance, **named: complete_action(instance, **named, result=Result(result)),
        )

    def _record_heartbeat(self, parameters: Parameters) -> Response:
        return self._with_action(
            parameters,
            "RecordLifecycleActionHeartbeat",
            lambda instance, **named: prolong_action(instance, **named, now=time.time()),
        )

    def _with_action(self, parameters: Parameters, action: str, act: Callable[..., bool]) -> Response:
        instance_id = self._service._p(parameters, "InstanceId")
        named = {
            "hook": self._service._p(parameters, "LifecycleHookName"),
            "token": self._service._p(parameters, "LifecycleActionToken"),
        }
        wanted = self._group(parameters)
        for group, instance in self._instances():
            is_meant = not instance_id or instance["InstanceId"] == instance_id
            if group is wanted and is_meant and act(instance, **named):
                return self._answer(action, "")
        return self._invalid(f"No active Lifecycle Action found with instance ID {instance_id}")

    def _instances(self) -> Iterator[tuple[Record, Record]]:
        for group in self._service._asgs.values():
            for instance in [*group["Instances"], *Pool(group).instances]:
                yield group, instance

    def _group(self, parameters: Parameters) -> Record | None:
        group: Record | None = self._service._asgs.get(self._service._p(parameters, "AutoScalingGroupName"))
        return group

    def _invalid(self, message: str) -> Response:
        response: Response = self._service._error("ValidationError", escape(message))
        return response

    def _answer(self, action: str, inner: str) -> Response:
        response: Response = self._service._xml(
            200, f"{action}Response", f"<{action}Result>{inner}</{action}Result>"
        )
        return response


class _Surroundings:
    """EC2's templates and images, the group's hooks and the event bus, for one group."""

    def __init__(self, modules: dict[str, Any], group: Record) -> None:
        self._service = modules["ministack.services.autoscaling"]
        self._machines = modules["ministack.services.ec2"]
        self._bus = modules["ministack.services.eventbridge"]
        self._group = group

    def hooks(self, transition: Transition) -> list[Record]:
        """Return the group's hooks for `transition`."""
        name = self._group["AutoScalingGroupName"]
        return [
            hook
            for hook in self._service._hooks.values()
            if hook["AutoScalingGroupName"] == name and hook["LifecycleTransition"] == transition
        ]

    def new_id(self) -> str:
        """Return a UUID."""
        return str(self._service.new_uuid())

    def launch(self) -> Record:
        """Return a new machine of the group's launch template, whose image must exist."""
        zones = self._group["AvailabilityZones"]
        return {
            "InstanceId": f"i-{self.new_id().replace('-', '')[:17]}",
            "HealthStatus": "Healthy",
            "AvailabilityZone": zones[len(self._group["Instances"]) % len(zones)],
            "LaunchTemplate": self._launch_template(),
            "LaunchConfigurationName": self._group.get("LaunchConfigurationName", ""),
        }

    def notify(self, detail_type: str, detail: Record) -> None:
        """Publish on the default bus."""
        entry = {
            "Source": "aws.autoscaling",
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": [self._group["AutoScalingGroupARN"]],
        }
        self._bus._put_events({"Entries": [entry]}, allow_aws_source=True)

    def _launch_template(self) -> Record:
        """Return the template and the number of its version; its image must be registered with EC2."""
        given = self._group.get("LaunchTemplate") or {}
        names: set[str] = {given.get(f"LaunchTemplate{key}", "") for key in ("Id", "Name")} - {""}
        if not names:
            return {}
        templates = self._machines._launch_templates.values()
        found = [each for each in templates if names & {each["LaunchTemplateId"], each["LaunchTemplateName"]}]
        if not found:
            raise LaunchFailedError(f"The launch template {min(names)} does not exist.")
        template = found[0]
        latest, default = template["LatestVersionNumber"], template["DefaultVersionNumber"]
        number = {"$Latest": latest, "$Default": default}.get(given["Version"], given["Version"])
        spec = {"LaunchTemplateId": template["LaunchTemplateId"], "Version": str(number)}
        image = self._machines._resolve_launch_template_data(spec)[0].get("ImageId", "")
        amazons = {stub[0] for stub in self._machines._STUB_AMIS}
        if image not in amazons and self._machines._registered_image(image) is None:
            raise LaunchFailedError(f"The AMI ID {image} does not exist.")
        return {**spec, "LaunchTemplateName": template["LaunchTemplateName"]}


def _keep_within_bounds(group: Record, *, desired: int) -> None:
    group["DesiredCapacity"] = min(max(desired, group["MinSize"]), group["MaxSize"])


def _xml(fields: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
