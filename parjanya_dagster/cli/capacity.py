"""`parjanya capacity`: what waits, how many instances that needs, what each choice would cost, and why."""

import json

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.tables import console_for_tables, words_of_time
from parjanya_dagster.control.capacity_report import CapacityReport, report_fleets
from parjanya_dagster.core.names import USUAL_FLEET
from parjanya_dagster.core.reconcile.wording import counted


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--limit", type=click.IntRange(0, 1_000), default=5, show_default=True, help="Newest decisions."
)
def capacity(*, as_json: bool, limit: int) -> None:
    """Show the plan of capacity: every allowed size with its finish and price, and which one is chosen.

    A deadline (PARJANYA_DEADLINE_S), a cap on what the fleet may cost per hour (PARJANYA_PRICE_CAP_USD) and
    the price of an instance (PARJANYA_INSTANCE_USD_PER_HOUR) decide. Nothing is changed.
    """
    usual, *others = report_fleets(connect(load_home()), decisions=limit)
    if as_json:
        extra = {"others": [each.document() for each in others]} if others else {}
        click.echo(json.dumps(usual.document() | extra))
        return
    console = console_for_tables()
    for report in (*others, usual):  # the usual one last: what was decided for all of them stands below it
        if others:
            console.print(f"[bold cyan]fleet {report.fleet or USUAL_FLEET}[/]")
        show(report, console)


def show(report: CapacityReport, console: Console) -> None:
    """Print the report."""
    for blind in report.blind:
        console.print(f"[bold red]BLIND[/] {escape(blind.signal)}: {escape(blind.reason)}")
    target, size = report.target, report.size
    if target is not None and size is not None:
        learned = target.learned
        fleet = (
            f"{size.desired} desired, {size.in_service} in service, {size.warm} warm; at most {target.most}"
        )
        speed = (
            f"start {learned.start.total_seconds():.0f} s, {learned.images_per_s:.2f} images/s an instance"
        )
        boots = counted(len(report.view.known.marks), "boot")
        drains = counted(len(report.view.rates), "drain")
        for name, words in (
            ("waits", target.demand.words),
            ("fleet", fleet),
            ("learned", f"{speed}, from {boots}, {drains}"),
            ("plan", target.plan.words),
            ("breaker", target.breaker.words if target.breaker and target.breaker.until else ""),
            ("next", "; ".join(report.next_steps) or "nothing to do"),
        ):
            if words:
                console.print(f"[bold]{name:<9}[/]{escape(words)}")
        if target.plan.options:
            console.print(_options(report))
    if report.decisions:
        console.print(_decisions(report))


def _options(report: CapacityReport) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("instances", "done in (s)", "cost (USD)", ""):
        table.add_column(column, justify="right")
    plan = report.target.plan if report.target else None
    for option in plan.options if plan else ():
        is_chosen = plan is not None and option.instances == plan.instances
        table.add_row(
            str(option.instances),
            f"{option.finish_s:.0f}",
            f"{option.usd:.2f}",
            "[green]chosen[/]" if is_chosen else "",
        )
    return table


def _decisions(report: CapacityReport) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("decided", no_wrap=True)
    for column in ("by", "what", "desired", "why"):
        table.add_column(column, overflow="fold")
    for each in report.decisions:
        table.add_row(
            words_of_time(each.at),
            each.plane,
            each.action.replace("_", " ") + (f" of {each.fleet}" if each.fleet else ""),
            "" if each.desired is None else str(each.desired),
            escape(each.reason),
        )
    return table
