# ruff: noqa: SLF001 - private names of another project, asserted at start by application.py
"""Auto Scaling's warm pools: the three actions and the CloudFormation resource."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias
from xml.sax.saxutils import escape

from parjanya_dagster.local.scaling_group import Record
from parjanya_dagster.local.warm_pool import POOL, Pool

Parameters: TypeAlias = dict[str, Any]
Response: TypeAlias = tuple[int, dict[str, str], bytes]

STATES: Final = ("Stopped", "Running", "Hibernated")
RESOURCE: Final = "AWS::AutoScaling::WarmPool"


class WarmPools:
    """PutWarmPool, DescribeWarmPool, DeleteWarmPool; the group's own cycle moves the instances."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._service = modules["ministack.services.autoscaling"]
        self._handlers = modules["ministack.services.cloudformation.provisioners"]._RESOURCE_HANDLERS

    def install(self) -> None:
        """Register the actions and the resource."""
        actions = self._service._ACTION_MAP
        actions.update(
            PutWarmPool=self._put,
            DescribeWarmPool=self._describe,
            DeleteWarmPool=self._delete,
            DescribeAutoScalingGroups=self._with_pools(actions["DescribeAutoScalingGroups"]),
        )
        self._handlers[RESOURCE] = {
            "create": self._create_resource,
            "update": self._update_resource,
            "delete": self._delete_resource,
        }

    def _put(self, parameters: Parameters) -> Response:
        def read(name: str) -> str | None:
            return self._service._p(parameters, name) or None

        group = self._service._asgs.get(read("AutoScalingGroupName"))
        if group is None:
            return self._invalid("AutoScalingGroup name not found - null")
        reuse = read("InstanceReusePolicy.ReuseOnScaleIn")
        return self._configure(
            group,
            min_size=read("MinSize"),
            prepared=read("MaxGroupPreparedCapacity"),
            state=read("PoolState"),
            reuse=None if reuse is None else reuse == "true",
        )

    def _configure(
        self,
        group: Record,
        *,
        min_size: str | None,
        prepared: str | None,
        state: str | None,
        reuse: bool | None,
    ) -> Response:
        """Set what is given; the rest stays as it is, or as AWS has it by default."""
        known = Pool(group).configuration or {}
        if known.get("Status"):
            return self._invalid("You cannot update a warm pool that is being deleted.")
        if state is not None and state not in STATES:
            return self._invalid(f"1 validation error detected: Value '{state}' at 'poolState' is invalid")
        limit = known.get("MaxGroupPreparedCapacity") if prepared is None else int(prepared)
        group[POOL] = {
            "MinSize": known.get("MinSize", 0) if min_size is None else int(min_size),
            "MaxGroupPreparedCapacity": None if limit == -1 else limit,
            "PoolState": state or known.get("PoolState", STATES[0]),
            "ReuseOnScaleIn": known.get("ReuseOnScaleIn", False) if reuse is None else reuse,
        }
        return self._answer("PutWarmPool", "")

    def _describe(self, parameters: Parameters) -> Response:
        group = self._service._asgs.get(self._service._p(parameters, "AutoScalingGroupName"))
        if group is None:
            return self._invalid("AutoScalingGroup name not found - null")
        pool = Pool(group)
        members = "".join(self._service._instance_member_xml(each) for each in pool.instances)
        return self._answer("DescribeWarmPool", f"{_xml(pool)}<Instances>{members}</Instances>")

    def _with_pools(self, describe: Callable[[Parameters], Response]) -> Callable[[Parameters], Response]:
        """Groups are described with their pool's configuration and size, as on AWS."""

        def describe_with_pools(parameters: Parameters) -> Response:
            status, headers, body = describe(parameters)
            for name, group in self._service._asgs.items():
                pool = Pool(group)
                if pool.configuration is not None:
                    # only the group itself carries this element, its instances do not
                    tag = f"<AutoScalingGroupName>{name}</AutoScalingGroupName>"
                    size = f"<WarmPoolSize>{len(pool.instances)}</WarmPoolSize>"
                    body = body.replace(tag.encode(), f"{tag}{_xml(pool)}{size}".encode())
            return status, headers, body

        return describe_with_pools

    def _delete(self, parameters: Parameters) -> Response:
        group = self._service._asgs.get(self._service._p(parameters, "AutoScalingGroupName"))
        if group is None or Pool(group).configuration is None:
            return self._invalid("No warm pool found for this Auto Scaling group.")
        self._give_up(group, at_once=self._service._p(parameters, "ForceDelete") == "true")
        return self._answer("DeleteWarmPool", "")

    def _give_up(self, group: Record, *, at_once: bool) -> None:
        """Mark the pool as deleted; its instances end with their hooks, or now."""
        pool = Pool(group)
        if pool.configuration is not None:
            pool.configuration["Status"] = "PendingDelete"
        if at_once:
            pool.instances.clear()
            pool.forget_if_deleted()

    def _create_resource(self, _logical_id: str, properties: Record, _stack: str) -> tuple[str, Record]:
        name = properties["AutoScalingGroupName"]
        group = self._service._asgs.get(name)
        if group is None:
            raise ValueError(f"AutoScalingGroup name not found - {name}")
        group.pop(POOL, None)
        self._configure_resource(group, properties)
        return name, {}

    def _update_resource(self, physical_id: str, old: Record, new: Record, stack: str) -> tuple[str, Record]:
        """Another group replaces the resource; the rest is changed in place."""
        if old.get("AutoScalingGroupName") != new["AutoScalingGroupName"]:
            answer = self._create_resource("", new, stack)
            self._delete_resource(physical_id, old)
            return answer
        self._configure_resource(self._service._asgs[physical_id], new)
        return physical_id, {}

    def _configure_resource(self, group: Record, properties: Record) -> None:
        reuse = (properties.get("InstanceReusePolicy") or {}).get("ReuseOnScaleIn", False)
        status, _, body = self._configure(
            group,
            min_size=properties.get("MinSize", "0"),
            prepared=properties.get("MaxGroupPreparedCapacity", "-1"),
            state=properties.get("PoolState", STATES[0]),
            reuse=str(reuse).lower() == "true",
        )
        if status != 200:  # noqa: PLR2004 - HTTP OK
            raise ValueError(body.decode())

    def _delete_resource(self, physical_id: str, _properties: Record) -> None:
        group = self._service._asgs.get(physical_id)
        if group is not None:
            self._give_up(group, at_once=True)  # CloudFormation's handler forces the deletion

    def _invalid(self, message: str) -> Response:
        response: Response = self._service._error("ValidationError", escape(message))
        return response

    def _answer(self, action: str, inner: str) -> Response:
        response: Response = self._service._xml(
            200, f"{action}Response", f"<{action}Result>{inner}</{action}Result>"
        )
        return response


def _xml(pool: Pool) -> str:
    """Return the configuration of a pool; nothing if there is none."""
    configuration = pool.configuration
    if configuration is None:
        return ""
    fields = {
        "MinSize": configuration["MinSize"],
        "MaxGroupPreparedCapacity": configuration["MaxGroupPreparedCapacity"],
        "PoolState": configuration["PoolState"],
        "Status": configuration.get("Status"),
    }
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items() if value is not None)
    reuse = str(configuration["ReuseOnScaleIn"]).lower()
    inner += f"<InstanceReusePolicy><ReuseOnScaleIn>{reuse}</ReuseOnScaleIn></InstanceReusePolicy>"
    return f"<WarmPoolConfiguration>{inner}</WarmPoolConfiguration>"
