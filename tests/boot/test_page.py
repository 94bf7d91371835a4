"""The page about boots names every stage and every failure, and none that does not exist."""

import re

import pytest

from gpu_worker.boot.verification import StageName
from gpu_worker.main import main
from parjanya_dagster.core.belief.boot import BootFailure
from tests.architecture.source import CHECKOUT

PAGE = (CHECKOUT / "docs" / "boot.md").read_text(encoding="utf-8")


def cells(column: int, *, of: str) -> list[str]:
    """Return what stands in code in a column of the table with this heading."""
    table = PAGE.split(of, 1)[1].split("\n\n", 1)[0]
    rows = [line.split("|")[column + 1] for line in table.splitlines() if line.startswith("|")]
    return [name for cell in rows for name in re.findall(r"`([a-z_]+)`", cell)]


def test_page_lists_the_stages_in_their_order() -> None:
    """Whoever reads a trace finds its stages there."""
    assert cells(0, of="| stage |") == list(StageName)


def test_page_says_of_every_failure_whom_it_blames() -> None:
    """A code without an explanation is a riddle, and a wrong blame sends people to the wrong place."""
    table = PAGE.split("| code |", 1)[1].split("\n\n", 1)[0]
    blamed = {
        name: line.split("|")[2].strip()
        for line in table.splitlines()
        for name in re.findall(r"`([a-z_]+)`", line.split("|")[1] if line.startswith("| `") else "")
    }

    assert blamed == {each.value: "model" if each.blames_model else "machine" for each in BootFailure}


def test_page_names_stages_failures_by_their_codes() -> None:
    """The table of stages speaks of failures that exist."""
    named = cells(2, of="| stage |")

    assert set(named) <= set(BootFailure) | {"auto_map"}


def test_commands_of_the_page_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    """Options that the page names are options that the commands take."""
    known: dict[str, str] = {}
    for command in ("verify", "manifest", "golden"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        known[command] = capsys.readouterr().out
    typed = re.findall(r"python -m gpu_worker (verify|manifest|golden)([^`\n]*)", PAGE)

    assert {command for command, _ in typed} == set(known)
    for command, rest in typed:
        assert all(option in known[command] for option in re.findall(r"--[a-z-]+", rest)), rest
