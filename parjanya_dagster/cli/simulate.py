"""`parjanya simulate`: the product's own code in a world where everything may fail, and the forecast."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from parjanya_dagster.cli.exits import FOUND
from parjanya_dagster.cli.findings import show_findings
from parjanya_dagster.cli.tables import console_for_tables
from parjanya_dagster.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from parjanya_dagster.simulation.episode import Episode
    from parjanya_dagster.simulation.run import Report

_SHOWN_FAULTS = 8


@click.command()
@click.option("--seed", type=int, default=0, show_default=True, help="The first seed.")
@click.option(
    "--steps", type=click.IntRange(min=1), default=20_000, show_default=True, help="At least, per seed."
)
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="How many seeds.")
@click.option(
    "--scenario",
    type=click.Choice(["nightly"]),
    help="Instead of chaos: forecast one night, against the sequential endpoint of before.",
)
@click.option("--assume", multiple=True, metavar="NAME=VALUE", help="With --scenario: change an assumption.")
@click.option("--plot", type=click.Path(path_type=Path), help="With --scenario: write the plot there.")
@click.option("--stage", "code", metavar="CODE", help="Instead: stage an incident, diagnose and repair it.")
@click.option(
    "--trace",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Instead: play the trace that a failing run printed.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def simulate(
    *,
    seed: int,
    steps: int,
    seeds: int,
    scenario: str | None,
    assume: Sequence[str],
    plot: Path | None,
    code: str | None,
    trace: Path | None,
    as_json: bool,
) -> None:
    """Let the product run in simulated worlds with a virtual clock, and check what it promises.

    Every seed is a series of worlds in which events are lost and doubled, processes die between any two side
    effects, permissions go missing and instances fail. A step is one delivered event or applied effect. A
    broken promise ends the run with exit status 1 and the shortest trace found that breaks it again.
    """
    if sum(each is not None for each in (scenario, code, trace)) > 1:
        raise click.UsageError("choose one of --scenario, --stage and --trace")
    if scenario is None and (assume or plot is not None):
        raise click.UsageError("--assume and --plot go with --scenario")
    with _silence():
        if scenario is not None:
            _forecast(assume, plot, as_json=as_json)
        elif code is not None:
            _stage(code, as_json=as_json)
        elif trace is not None:
            _replay(trace, as_json=as_json)
        else:
            _chaos(seed, steps, seeds, as_json=as_json)


@contextmanager
def _silence() -> Iterator[None]:
    """Log nothing inside the block: what workers log of faults would be the faults that were asked for."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _chaos(seed: int, steps: int, seeds: int, *, as_json: bool) -> None:
    from parjanya_dagster.simulation.run import Report, run  # noqa: PLC0415 - slow to import

    report = Report()
    console = Console(stderr=True)
    with console.status("simulating") as status:

        def show(so_far: Report) -> None:
            status.update(f"{so_far.worlds:,} worlds, {so_far.steps:,} of {steps * seeds:,} steps")

        try:
            run(seed, steps=steps, seeds=seeds, progress=show, into=report)
        except KeyboardInterrupt:
            console.print(f"interrupted after {report.worlds:,} worlds; what they did:")
    if as_json:
        click.echo(json.dumps(report.document()))
    else:
        _print(report)
    if not report.is_ok:
        raise SystemExit(FOUND)


def _replay(path: Path, *, as_json: bool) -> None:
    from parjanya_dagster.simulation.run import Report  # noqa: PLC0415 - slow to import
    from parjanya_dagster.simulation.trace import Trace  # noqa: PLC0415 - slow to import

    trace = Trace.of_file(path)
    report = Report(trace=trace)
    report.add(trace.played())
    if as_json:
        click.echo(json.dumps(report.document()))
    else:
        _print(report)
    if not report.is_ok:
        raise SystemExit(FOUND)


def _stage(code: str, *, as_json: bool) -> None:
    scenes = import_module("parjanya_dagster.simulation.scenes")  # slow to import
    if code not in scenes.SCENES:
        known = ", ".join(scenes.SCENES)
        raise InvalidRequestError(f"there is no incident '{code}'; those staged are {known}")
    played = scenes.run_scene(code).document()
    if as_json:
        click.echo(json.dumps(played))
        return
    console = console_for_tables()
    console.print(f"[bold]{code}[/]  {played['title']}")
    for when in ("before", "after"):
        console.print(f"\n[dim]{when} the repair[/]")
        show_findings(console, played[when]["findings"])


def _forecast(assume: Sequence[str], plot: Path | None, *, as_json: bool) -> None:
    report = import_module("parjanya_dagster.simulation.forecast.report")  # slow to import
    forecast = report.run_forecast(report.scenario(assume))
    if as_json:
        click.echo(json.dumps(report.as_document(forecast)))
    else:
        console_for_tables().print(report.as_table(forecast))
    if plot is not None:
        report.write_plot(forecast, plot)


def _print(report: "Report") -> None:
    console = console_for_tables()
    days = report.virtual_s / 86_400
    console.print(
        f"[bold]{report.worlds:,}[/] worlds, [bold]{report.steps:,}[/] steps, {days:,.1f} virtual days; "
        f"the slowest came to rest {report.longest_calm_s / 60:.0f} virtual minutes after its last fault"
    )
    faults = Table("fault", "times", box=None, header_style="bold", pad_edge=False)
    for name, times in report.faults.most_common(_SHOWN_FAULTS):
        faults.add_row(name, f"{times:,}")
    faults.add_row(f"{len(report.faults)} kinds", f"{report.faults.total():,}")
    console.print(faults)
    console.print(f"transitions reached: {len(report.transitions)}; actions: {len(report.actions)}")
    for what, names in (("transitions", report.missing_transitions), ("actions", report.missing_actions)):
        if names:
            console.print(f"[dim]{what} never reached: {', '.join(names)}[/]")
    if report.failed is None:
        console.print("[green]every promise was kept[/]")
    else:
        _print_failure(console, report, report.failed)


def _print_failure(console: Console, report: "Report", failed: "Episode") -> None:
    for violation in failed.violations:
        console.print(
            f"[bold red]broken[/] {violation.invariant}: {violation.detail} "
            f"(world {failed.seed}, step {violation.step:,}, second {violation.at_s:,.1f})"
        )
    if report.trace is not None:
        console.print("the shortest trace found; saved as FILE, `parjanya simulate --trace FILE` plays it:")
        click.echo(json.dumps(report.trace.document()))
