"""The contract with Dagster's private names: an upgrade that moves one fails here, by name, first."""

import importlib
import inspect
import os
import subprocess
import time
from pathlib import Path

import dagster as dg
import pytest

from parjanya_dagster.asg_executor import _dagster_private as private

PACKAGE = Path(private.__file__).parent

# Each private name, and the parameters we pass to it (or, of a class, to its constructor).
CONTRACT = [
    ("dagster._cli.api", "_execute_step_command_body", ("args", "instance", "dagster_run")),
    ("dagster._core.events", "DagsterEvent", ()),
    ("dagster._core.events", "DagsterEventType", ()),
    ("dagster._core.events", "EngineEventData", ("metadata",)),
    ("dagster._core.events.log", "EventLogEntry", ("run_id", "step_key", "dagster_event")),
    ("dagster._core.execution", "compute_logs", ()),
    ("dagster._core.execution.compute_logs", "mirror_stream_to_file", ("stream", "filepath")),
    ("dagster._core.execution.compute_logs", "tail_to_stream", ("path", "stream")),
    ("dagster._core.execution.context.system", "IStepContext", ()),
    ("dagster._core.execution.context.system", "PlanOrchestrationContext", ()),
    ("dagster._core.execution.plan.plan", "ExecutionPlan", ()),
    ("dagster._core.execution.retries", "RetryMode", ()),
    ("dagster._core.execution.retries", "get_retries_config", ()),
    ("dagster._core.execution.stats", "StepEventStatus", ()),
    ("dagster._core.execution.tags", "get_tag_concurrency_limits_config", ()),
    ("dagster._core.executor.in_process", "InProcessExecutor", ("retries",)),
    ("dagster._core.executor.step_delegating", "CheckStepHealthResult", ("is_healthy", "unhealthy_reason")),
    (
        "dagster._core.executor.step_delegating",
        "StepDelegatingExecutor",
        (
            "step_handler",
            "retries",
            "sleep_seconds",
            "check_step_health_interval_seconds",
            "max_concurrent",
            "tag_concurrency_limits",
            "should_verify_step",
        ),
    ),
    ("dagster._core.executor.step_delegating", "StepHandler", ()),
    ("dagster._core.executor.step_delegating", "StepHandlerContext", ()),
    ("dagster._core.instance.ref", "InstanceRef", ()),
    (
        "dagster._grpc.types",
        "ExecuteStepArgs",
        ("run_id", "step_keys_to_execute", "instance_ref", "known_state", "should_verify_step"),
    ),
    ("dagster._serdes", "deserialize_value", ("val", "as_type")),
    ("dagster._serdes", "serialize_value", ("val",)),
    ("dagster._utils.interrupts", "capture_interrupts", ()),
]

# What we override, call or read on Dagster's own objects.
MEMBERS = [
    (private.StepHandler, "launch_step", ("self", "step_handler_context")),
    (private.StepHandler, "check_step_health", ("self", "step_handler_context")),
    (private.StepHandler, "terminate_step", ("self", "step_handler_context")),
    (private.DagsterEvent, "step_worker_starting", ("step_context", "message", "metadata")),
    (private.DagsterEvent, "engine_event", ("plan_context", "message", "event_specific_data")),
    (private.StepDelegatingExecutor, "_pop_events", ("self", "instance", "run_id", "seen_storage_ids")),
    (dg.DagsterInstance, "from_ref", ("instance_ref",)),
    (dg.DagsterInstance, "handle_new_event", ("self", "event", "batch_metadata")),
    (dg.DagsterInstance, "get_run_step_stats", ("self", "run_id", "step_keys")),
    (
        dg.DagsterInstance,
        "report_engine_event",
        ("self", "message", "dagster_run", "engine_event_data", "step_key"),
    ),
    (dg.Executor, "execute", ("self", "plan_context", "execution_plan")),
]


@pytest.mark.parametrize(("module", "name", "parameters"), CONTRACT, ids=lambda value: str(value)[:60])
def test_private_name_when_imported_then_it_takes_what_we_pass(
    module: str,
    name: str,
    parameters: tuple[str, ...],
) -> None:
    """Every private name exists where we import it from and accepts our arguments."""
    found = getattr(importlib.import_module(module), name)
    if parameters:
        signature = inspect.signature(found.__new__ if name == "ExecuteStepArgs" else found)
        assert set(parameters) <= set(signature.parameters)


@pytest.mark.parametrize(("owner", "name", "parameters"), MEMBERS, ids=lambda value: str(value)[:60])
def test_member_when_looked_up_then_it_takes_what_we_pass(
    owner: type,
    name: str,
    parameters: tuple[str, ...],
) -> None:
    """Every method that we call or override has the parameters we rely on."""
    assert set(parameters) <= set(inspect.signature(getattr(owner, name)).parameters)


def test_pause_when_the_run_falls_silent_then_it_grows_with_the_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Dagster's loop sleeps for the attribute that we set after each reading; the longest pause holds."""
    readings: list[list[str]] = [["an event"], [], [], []]
    moments = iter([100.0, 100.0, 100.05, 101.0, 200.0])
    monkeypatch.setattr(private.StepDelegatingExecutor, "_pop_events", lambda *_: readings.pop(0))
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    loop = private.AttentiveExecutor(
        private.StepHandler,  # type: ignore[arg-type] # never asked
        retries=private.RetryMode.ENABLED,
        longest_pause_s=0.5,
    )

    pauses = [loop._sleep_seconds]
    for _ in range(4):
        loop._pop_events(None, "run", set())  # type: ignore[arg-type] # the reading is the test's
        pauses.append(loop._sleep_seconds)

    assert pauses == pytest.approx([0.02, 0.02, 0.02, 0.1, 0.5])


def test_output_when_mirrored_then_all_of_it_arrives_and_no_process_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step's last words reach the agent's log, too: Dagster's own `tail` loses its last second."""
    usual = private.compute_logs.tail_to_stream
    monkeypatch.setattr(subprocess, "Popen", None)

    with (tmp_path / "agent.log").open("w") as stream, private.output_mirrored_by_thread():
        with private.compute_logs.mirror_stream_to_file(stream, str(tmp_path / "captured")):
            os.write(stream.fileno(), b"last words")
        os.write(stream.fileno(), b", and what comes after the step")

    assert (tmp_path / "captured").read_bytes() == b"last words"
    assert (tmp_path / "agent.log").read_bytes() == b"last words, and what comes after the step"
    assert private.compute_logs.tail_to_stream is usual


def test_private_imports_are_all_in_one_file() -> None:
    """No other file of the package imports a name that Dagster may move; so an upgrade has one place."""
    offenders = [
        path.name
        for path in PACKAGE.glob("*.py")
        if path.name != "_dagster_private.py" and "dagster._" in path.read_text()
    ]
    assert offenders == []


def test_aws_side_imports_no_dagster() -> None:
    """The supervisor starts fast, and an instance's worker can use these files without Dagster."""
    aws_side = {
        *("instance.py", "notices.py", "lease_table.py", "step_queue.py", "capacity.py", "supervisor.py"),
        *("slot.py", "agent.py", "agent_options.py", "devices.py"),
    }
    importers = {path.name for path in PACKAGE.glob("*.py") if "import dagster" in path.read_text()}

    assert aws_side.isdisjoint(importers)


def test_listed_names_are_all_that_the_private_file_imports() -> None:
    """The list above is complete."""
    imported = {
        line.split()[1]
        for line in Path(private.__file__).read_text().splitlines()
        if "from dagster._" in line
    }
    assert imported <= {module for module, _, _ in CONTRACT}
