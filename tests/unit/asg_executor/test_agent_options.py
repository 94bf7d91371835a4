"""The agent's command line: how many children, on which devices, and what a wrong wish is told."""

from pathlib import Path

import pytest

from parjanya_dagster.asg_executor.agent_options import parse_options
from parjanya_dagster.asg_executor.devices import VISIBLE, count_gpus, devices_of_children

REQUIRED = ["--queue=steps", "--table=steps"]


@pytest.mark.parametrize(
    ("wish", "visible", "gpus", "devices"),
    [
        ("auto", None, 0, ("0",)),
        ("auto", None, 1, ("0",)),
        ("auto", None, 4, ("0", "1", "2", "3")),
        ("auto", "2,3", 4, ("2", "3")),
        ("auto", "GPU-8f3c, MIG-17", 2, ("GPU-8f3c", "MIG-17")),
        ("auto", "1,-1,2", 4, ("1",)),
        ("auto", "", 4, ("",)),
        ("auto", "-1", 4, ("",)),
        ("2", None, 0, ("0", "1")),
        ("2", None, 4, ("0", "1")),
        ("3", None, 2, ("0", "1", "0")),
        ("2", "", 4, ("", "")),
    ],
)
def test_devices_follow_from_the_wish_and_from_what_is_visible(
    wish: str, visible: str | None, gpus: int, devices: tuple[str, ...]
) -> None:
    """Each child has a GPU of its own while there are enough; what somebody hid stays hidden."""
    environment = {} if visible is None else {VISIBLE: visible}

    assert devices_of_children(wish, environment, gpus=gpus) == devices


def test_gpus_are_counted_by_their_device_nodes(tmp_path: Path) -> None:
    """The driver's control nodes are no GPUs."""
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()

    assert count_gpus(tmp_path) == 3


def test_options_when_the_environment_names_the_fleet_then_nothing_else_is_needed() -> None:
    """Agent and executor share their variables."""
    shared = {"ASG_EXECUTOR_STEP_QUEUE": "q", "ASG_EXECUTOR_STEPS_TABLE": "t", "ASG_EXECUTOR_BOOT_HOOK": "h"}

    options = parse_options([], shared)

    assert (options.queue, options.table, options.boot_hook) == ("q", "t", "h")
    assert (options.children, options.receive_wait, options.heed_rebalance) == ("auto", 2, False)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "--queue is missing"),
        (["--queue=q"], "--table is missing"),
        ([*REQUIRED, "--children=0"], "from 1 on, or auto"),
        ([*REQUIRED, "--children=-1"], "from 1 on, or auto"),
        ([*REQUIRED, "--children=many"], "from 1 on, or auto"),
    ],
)
def test_options_when_wrong_then_the_agent_says_what_it_wants(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake ends at once with status 2, before anything is started."""
    with pytest.raises(SystemExit, match="2"):
        parse_options(arguments, {})

    assert complaint in capsys.readouterr().err
