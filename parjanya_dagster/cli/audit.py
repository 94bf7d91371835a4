"""`parjanya audit`: is everything that was uploaded accounted for, and is everything claimed there?"""

import json
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.exits import FOUND
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.tables import console_for_tables
from parjanya_dagster.control.audit import (
    IntentAudit,
    audit_document,
    audit_intents,
    audit_tenant,
)
from parjanya_dagster.control.tenants import registered_tenants
from parjanya_dagster.core.reconcile.wording import counted
from parjanya_dagster.core.truth.conservation import WindowAudit

_RESIDUES = {
    "without_row": ("original", "without a row: the sweep adopts it, or `parjanya reconcile` now"),
    "without_object": ("row", "without its original: restore its version in S3, or erase the image"),
    "not_erased": (
        "erased image",
        "that left something: `parjanya images erase --tenant TENANT --yes` ends it",
    ),
}


@click.command()
@click.option("--tenant", "tenant_ids", multiple=True, help="Only this one; may be repeated.")
@click.option("--full", is_flag=True, help="Read closed windows again too, as the weekly pass does.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when anything is unaccounted for.")
def audit(*, tenant_ids: tuple[str, ...], full: bool, as_json: bool, exit_code: bool) -> None:
    """Compare Truth with itself, both directions.

    Per tenant: every original has a row or a tombstone, every row past upload has its original. Over all
    tenants: rows that say a job is out against the messages of both queues. Days that can no longer change
    are kept as counts and a digest; --full reads them again. Interrupt it at any time: it goes on from there.
    """
    platform = connect(load_home())
    known = registered_tenants(platform, tenant_ids)
    intents = audit_intents(platform)
    report: dict[str, Any] = {"tenants": [], "intents": asdict(intents)}
    with Console(stderr=True).status("reading") as line:
        for tenant_id in tenant_ids or known:

            def tell(window: WindowAudit, tenant_id: str = tenant_id) -> None:
                line.update(f"{tenant_id}, {window.window.since:%Y-%m-%d}: {window.originals} originals")

            found = audit_tenant(platform, tenant_id, full=full, progress=tell)
            report["tenants"].append(audit_document(found))
    if as_json:
        click.echo(json.dumps(report))
    else:
        _print(report, intents)
    residue = sum(each["residue"] + len(each["changed"]) for each in report["tenants"])
    if exit_code and (residue or report["intents"]["unaccounted"]):
        raise SystemExit(FOUND)


def _print(report: dict[str, Any], intents: IntentAudit) -> None:
    console = console_for_tables()
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("tenant")
    for column in ("originals", "rows", "elsewhere", "tombstones", "unaccounted", "days read", "kept"):
        table.add_column(column, justify="right")
    for each in report["tenants"]:
        colour = "bold red" if each["residue"] else "green"
        table.add_row(
            each["tenant"],
            *(str(each[name]) for name in ("originals", "rows", "elsewhere", "tombstones")),
            f"[{colour}]{each['residue']}[/]",
            str(each["windows_read"]),
            str(each["windows_kept"]),
        )
    console.print(table if report["tenants"] else "No tenants yet.")
    for each in report["tenants"]:
        _print_residues(console, each)
    console.print(f"\n[bold]intents[/]  {_sentence(intents)}")


def _print_residues(console: Console, tenant: dict[str, Any]) -> None:
    for name, (noun, remedy) in _RESIDUES.items():
        if tenant[name]:
            words = escape(remedy.replace("TENANT", tenant["tenant"]))
            console.print(f"\n[bold red]{tenant['tenant']}[/] · {counted(tenant[name], noun)} {words}")
            for window in tenant["residues"]:
                for image_id in window["samples"].get(name, ()):
                    console.print(f"  {image_id}")
    for since in tenant["changed"]:
        console.print(
            f"\n[bold red]{tenant['tenant']}[/] · {since[:10]} was closed, and is no longer what it was"
        )


def _sentence(intents: IntentAudit) -> str:
    if intents.unaccounted is None:
        return "[bold red]BLIND[/]: a queue could not be read, so stamps cannot be compared"
    held = f"{intents.messages} and {intents.dead_letters} dead"
    told = f"{intents.stamps} rows say a job is out; queues hold {held}"
    if not intents.unaccounted:
        return f"{told}: every stamp is covered"
    return f"{told}: [bold red]{intents.unaccounted} unaccounted[/], e.g. {', '.join(intents.samples)}"
