"""`parjanya trail`: who changed what, by which plan, and how it ended."""

import getpass
import json
import os
from typing import Final

import click
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.tables import console_for_tables, words_of_counts, words_of_time
from parjanya_dagster.control.trail import trail as entries_of
from parjanya_dagster.core.truth.trail import DONE, TrailEntry

_DIGEST_SHOWN: Final = 8


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Newest entries."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per entry.")
def trail(*, limit: int, as_json: bool) -> None:
    """List who changed what, newest first.

    Every command and every run that changes Truth writes an entry before its first change and again after
    its last: an entry without an end is still going on, or its process died.
    """
    entries = entries_of(connect(load_home()), limit=limit)
    if as_json:
        for entry in entries:
            click.echo(json.dumps({"id": entry.entry_id, **entry.to_document()}))
    elif entries:
        console = console_for_tables()
        for entry in entries:
            _print(console, entry)
    else:
        click.echo("Nobody has changed anything yet.")


def who_asks() -> str:
    """Return PARJANYA_WHO, or else the name of the login."""
    try:
        return os.environ.get("PARJANYA_WHO") or getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _print(console: Console, entry: TrailEntry) -> None:
    """Print an entry: when, how it ended, who did what; below it the counts, the plan, and the fault."""
    ending, _, fault = (entry.outcome or "begun").partition(": ")
    colour = "green" if entry.outcome == DONE else "yellow" if entry.outcome else "bold red"
    begun = f"{words_of_time(entry.begun_at)}  [{colour}]{escape(ending)}[/]"
    console.print(f"{begun}  {escape(entry.who)}: {escape(entry.action)}", soft_wrap=True)
    changes = " → ".join(words_of_counts(each) for each in (entry.before, entry.after) if each)
    plan = f"plan {entry.plan_digest[:_DIGEST_SHOWN]}" if entry.plan_digest else ""
    if below := ", ".join(filter(None, (changes, plan, fault))):
        console.print(Padding(f"[dim]{escape(below)}[/]", (0, 0, 0, 2)))
