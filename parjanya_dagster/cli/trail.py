"""`parjanya trail`: who changed what, by which plan, and how it ended."""

import getpass
import json
import os
from typing import Final

import click
from rich.markup import escape
from rich.table import Table

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
        console_for_tables().print(_table(entries))
    else:
        click.echo("Nobody has changed anything yet.")


def who_asks() -> str:
    """Return PARJANYA_WHO, or else the name of the login."""
    try:
        return os.environ.get("PARJANYA_WHO") or getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _table(entries: list[TrailEntry]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("begun", no_wrap=True)
    for column in ("who", "action", "before → after"):
        table.add_column(column, overflow="fold")
    for column in ("plan", "outcome"):
        table.add_column(column, no_wrap=True)
    for entry in entries:
        colour = "green" if entry.outcome == DONE else "yellow" if entry.outcome else "bold red"
        table.add_row(
            words_of_time(entry.begun_at),
            escape(entry.who),
            escape(entry.action),
            " → ".join(words_of_counts(each) for each in (entry.before, entry.after) if each),
            (entry.plan_digest or "")[:_DIGEST_SHOWN],
            f"[{colour}]{escape(entry.outcome or 'begun')}[/]",
        )
    return table
