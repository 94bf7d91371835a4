"""`parjanya diagnose`: what is wrong, where, since when, and the cheapest thing to do about it."""

import json
from datetime import UTC, datetime

import click

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.exits import FOUND
from parjanya_dagster.cli.findings import show_findings
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.tables import console_for_tables
from parjanya_dagster.control.diagnose import diagnosis_of
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.reconcile.findings import Finding, findings_document
from parjanya_dagster.core.reconcile.symptoms_belief import blindness


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: `findings`, [] when healthy.")
@click.option("--exit-code", "with_exit_code", is_flag=True, help="Exit with 1 when there are findings.")
def diagnose(*, as_json: bool, with_exit_code: bool) -> None:
    """Say what is wrong: the layer at fault, the evidence, since when, and the fix.

    Most certain and cheapest to fix first; consequences of another finding are left out. The exit status
    is 0 also with findings, unless --exit-code is given. It works while parts are down: what cannot be read
    is a finding. docs/runbook.md has a section for each.
    """
    findings = current_findings()
    document = findings_document(findings)
    if as_json:
        click.echo(json.dumps(document))
    else:
        show_findings(console_for_tables(), document["findings"])
    if findings and with_exit_code:
        raise SystemExit(FOUND)


def current_findings() -> list[Finding]:
    """Return the findings; where nothing can be reached at all, that is the one finding."""
    try:
        return diagnosis_of(connect(load_home()))
    except ConfigError as error:
        now = datetime.now(tz=UTC)
        return [blindness([Blind(signal="platform", reason=str(error), at=now)])]
