# ruff: noqa: SLF001 - with its siblings, the only files that may use private names of another project
"""What the local AWS process (ministack) lacks for this product, filled through its own registries.

The modules of this package are the only ones that may use that process' private names. All of them are
asserted here at start, and their effects are contract-tested over HTTP, so that an upgrade fails here by
name and not as a wrong answer in the product. Each gap is one class: with `install` for what is asked,
with `tick` for what moves by itself.
"""

import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, TypeAlias

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.local.gaps.alarms import Alarms
from parjanya_dagster.local.gaps.authorisation import Authorisation, ConditionalWrites, MetricNamespaces
from parjanya_dagster.local.gaps.auto_scaling import AutoScaling
from parjanya_dagster.local.gaps.cbor import Cbor
from parjanya_dagster.local.gaps.functions import QueuedEvents, StreamMappings
from parjanya_dagster.local.gaps.queue_metrics import QueueMetrics
from parjanya_dagster.local.gaps.warm_pools import WarmPools

Application: TypeAlias = Callable[[dict[str, Any], Any, Any], Awaitable[None]]  # ASGI 3

TESTED_VERSION: Final = "1.5.33"

_REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "ministack.app": ("app", "_build_persistence_save_dict", "_load_persisted_state"),
    "ministack.core.iam_actions": (
        *("extract_iam_action", "extract_resource_arn", "request_tag_context", "s3_service_context"),
    ),
    "ministack.core.persistence": ("load_state", "save_all"),
    "ministack.core.responses": ("request_scope",),
    "ministack.services.autoscaling": (
        *("_ACTION_MAP", "_asgs", "_error", "_hooks", "_instance_member_xml", "_p", "_parse_member_list"),
        *("_reconcile_instances", "_xml", "new_uuid"),
    ),
    "ministack.services.cloudformation.provisioners": ("_RESOURCE_HANDLERS",),
    "ministack.services.cloudwatch": (
        *("_alarms", "_calc_stats", "_dims_from_list", "_dims_key", "_dispatch_alarm_actions"),
        *("_evaluate_alarm", "_evaluate_parent_alarms", "_metrics", "_record_history", "_stat_value"),
        "record_metric",
    ),
    "ministack.services.dynamodb": ("stream_start_position",),
    "ministack.services.ec2": (
        *("_STUB_AMIS", "_launch_templates", "_registered_image", "_resolve_launch_template_data"),
    ),
    "ministack.services.eventbridge": ("_dispatch_to_lambda", "_put_events"),
    "ministack.services.lambda_svc": (
        "_dynamodb_stream_positions",
        "_ensure_poller",
        "_execute_function_with_config_scope",
        "_execution_record_for_config",
        "_get_func_record_for_ref",
        "_iter_all_esms",
    ),
    "ministack.services.sqs": ("_queue_name_to_url", "_queues", "_refresh_counts"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalApplication:
    """The local AWS process with its gaps filled.

    Args:
        handle: the ASGI application.
        ticks: what lets fleets and alarms move with time, called on the loop that serves; each returns
            whether anything changed that must be saved.
    """

    handle: Application
    ticks: tuple[Callable[[], bool], ...]


def load_application() -> LocalApplication:
    """Import the local AWS process and fill its gaps.

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
            f"install ministack=={TESTED_VERSION}, or adapt parjanya_dagster/local/gaps",
        )
    auto_scaling, alarms = AutoScaling(modules), Alarms(modules)
    # the warm pools' actions first: auto scaling settles its groups around every action there is
    for gap in (
        *(WarmPools, Authorisation, ConditionalWrites, MetricNamespaces),
        *(StreamMappings, QueuedEvents, Cbor),
    ):
        gap(modules).install()
    auto_scaling.install()
    alarms.install()
    ticks = (auto_scaling.tick, QueueMetrics(modules).tick, alarms.tick)
    return LocalApplication(handle=modules["ministack.app"].app, ticks=ticks)


def save_state() -> None:
    """Write every service's state to the state directory; a file is replaced whole or not at all."""
    application = importlib.import_module("ministack.app")
    importlib.import_module("ministack.core.persistence").save_all(application._build_persistence_save_dict())
