"""`parjanya why`: who has to act next on one image or tenant, why, since when, and until when."""

import json

import click
from rich.markup import escape
from rich.table import Table

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.tables import console_for_tables, words_of_time
from parjanya_dagster.control import why as control
from parjanya_dagster.core.reconcile.why import Answer


@click.command()
@click.argument("subject", metavar="IMAGE|tenant:TENANT")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def why(*, subject: str, as_json: bool) -> None:
    """Say why an image or a tenant's images are where they are.

    Every wait has an owner, a reason, a since and a deadline; what is settled says by whom, and by which
    policy. IMAGE is an image id or `tenant#image`.
    """
    answer = control.why(connect(load_home()), subject)
    if as_json:
        click.echo(json.dumps(answer.document()))
    else:
        console_for_tables().print(_table(answer))


def _table(answer: Answer) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, words in (
        ("subject", answer.subject),
        ("status", answer.status),
        ("owner", answer.owner.value),
        ("reason", answer.reason),
        ("since", answer.since and words_of_time(answer.since)),
        ("deadline", answer.deadline and words_of_time(answer.deadline)),
        ("then", answer.then),
    ):
        if words:
            table.add_row(name, escape(words))
    for number, fact in enumerate(answer.evidence):
        table.add_row("" if number else "evidence", escape(fact))
    return table
