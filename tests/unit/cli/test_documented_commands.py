"""What the documents tell a person to type exists: every command, and every option of it."""

import re
from pathlib import Path

import click
import pytest

from parjanya_dagster.cli.main import parjanya
from tests.architecture.source import CHECKOUT

DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
_TYPED = re.compile(
    r"`(?:\.venv/bin/)?parjanya ([^`]+)`|^\s*(?:\.venv/bin/)?parjanya ([^`#\n]+)", re.MULTILINE
)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def typed_in(text: str) -> list[str]:
    """Return what follows `parjanya` in code, one command line each."""
    return [(inline or block).strip() for inline, block in _TYPED.findall(text)]


def command_of(line: str) -> tuple[click.Command | None, str]:
    """Return the command a line would run, None for one that does not exist, with what follows it."""
    command: click.Command | None = parjanya
    words = line.split()
    while words and isinstance(command, click.Group) and not words[0].startswith(("-", "[", "…")):
        command = command.get_command(click.Context(command), words.pop(0))
    return command, " ".join(words)


def faults_in(text: str) -> list[str]:
    """Return the command lines of a document that could not be typed."""
    faults = []
    for line in typed_in(text):
        command, rest = command_of(line)
        known = {name for each in command.params for name in each.opts} if command else set()
        unknown = set(_OPTION.findall(rest)) - known - {"--help", "--version"}
        if command is None or unknown:
            faults.append(f"parjanya {line}: {sorted(unknown) or 'no such command'}")
    return faults


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_command_lines_of_a_document_can_be_typed(path: Path) -> None:
    """A document that names an option that was renamed costs a person the trust in all the others."""
    assert faults_in(path.read_text(encoding="utf-8")) == []


def test_table_of_commands_in_the_readme_names_all_of_them_and_no_other() -> None:
    """A command that nobody is told of is not there."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[a-z].*?) \|", text, re.MULTILINE)
    lines = [line for row in rows for line in re.findall(r"`([^`]+)`", row)]

    assert {line.split()[0] for line in lines} == set(parjanya.list_commands(click.Context(parjanya)))
    assert faults_in("".join(f"`parjanya {line}`\n" for line in lines)) == []


@pytest.mark.parametrize(
    "line", ["`parjanya repaint`", "`parjanya tenant paint T`", "  parjanya status --paint"]
)
def test_line_that_cannot_be_typed_is_found(line: str) -> None:
    """The search itself notices a command, a subcommand and an option that do not exist."""
    assert len(faults_in(line)) == 1
