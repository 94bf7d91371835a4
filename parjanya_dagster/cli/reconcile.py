"""`parjanya reconcile`: one cycle of reconciliation by hand, or what it would do."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from rich.markup import escape

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.tables import console_for_tables, words_of_counts
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import Cycle, reconcile_world
from parjanya_dagster.control.trail import recorded
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.reconcile.actions import (
    Action,
    AdoptObject,
    FallBack,
    ReportBlind,
    ScaleIn,
    ScaleOut,
    SettleDeadLetter,
    Terminate,
    name_of,
)
from parjanya_dagster.core.reconcile.capacity_target import target_of
from parjanya_dagster.core.reconcile.plan import fleet_reading

_SAMPLES: Final = 3


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def reconcile(*, dry_run: bool, as_json: bool) -> None:
    """Compare Truth with Belief and Intent, and repair the difference: one cycle, as every plane runs it.

    Missing jobs are sent, lost ones sent again, stuck rows ingested again, dead letters settled, and the
    fleet is asked for what the demand needs. With --dry-run nothing is changed.
    """
    platform = connect(load_home())
    if dry_run:
        report = report_of(platform, reconcile_world(platform, dry_run=True))
    else:
        with recorded(platform, who_asks(), "reconcile") as recording:
            cycle = reconcile_world(platform)
            report = report_of(platform, cycle)
            recording.after = dict(report["applied"])
    if as_json:
        click.echo(json.dumps(report))
    else:
        _print(report)


def report_of(platform: Platform, cycle: Cycle) -> dict[str, Any]:
    """Return a cycle for people and programs: actions by name with samples, faults, and capacity in words."""
    applied = cycle.applied
    by_name: dict[str, list[Action]] = {}
    for action in cycle.actions:
        by_name.setdefault(name_of(action), []).append(action)
    blinds = [each.blind for each in cycle.actions if isinstance(each, ReportBlind)]
    return {
        "dry_run": applied is None,
        "planned": {name: len(actions) for name, actions in by_name.items()},
        "samples": {name: _samples(actions) for name, actions in by_name.items()},
        "applied": dict(applied.counts if applied else Counter[str]()),
        "faults": list(applied.faults) if applied else [],
        "left": applied.left if applied else 0,
        "blind": [{"signal": blind.signal, "reason": blind.reason} for blind in blinds],
        "capacity": capacity_words(platform, cycle),
    }


def capacity_words(platform: Platform, cycle: Cycle) -> str:
    """Return how large the fleet should be and what each choice costs, in one sentence."""
    fleet, now = cycle.snapshot.fleet, platform.clock()
    if isinstance(fleet, Blind):
        return f"unknown: {fleet.reason}"
    reading = fleet_reading(cycle.snapshot, repairs=cycle.actions, limits=platform.limits, now=now)
    return target_of(reading, fleet.value, limits=platform.capacity, now=now).plan.words


def _samples(actions: Sequence[Action]) -> list[str]:
    return list(dict.fromkeys(_subject(action) for action in actions[:_SAMPLES]))


def _subject(action: Action) -> str:
    """Return what an action is about, with its reason where it has one of its own."""
    match action:
        case SettleDeadLetter(job=job, evidence=evidence):
            return f"{job.key if job else 'a message that is no job'}: {evidence}"
        case ScaleOut(desired=desired, reason=reason) | ScaleIn(desired=desired, reason=reason):
            return f"to {desired}: {reason}"
        case Terminate(instance_id=subject, reason=reason) | FallBack(version=subject, reason=reason):
            return f"{subject}: {reason}"
        case ReportBlind(blind=blind):
            return f"{blind.signal}: {blind.reason}"
        case AdoptObject(key=key):
            return str(key)
        case _:
            row = getattr(action, "row", None)
            return str(row.key) if row else ""


def _print(report: Mapping[str, Any]) -> None:
    console = console_for_tables()
    if not report["planned"]:
        console.print("[green]Nothing to repair.[/]")
    for name, count in report["planned"].items():
        samples = "; ".join(escape(each) for each in report["samples"][name] if each)
        console.print(f"[bold]{count:>6}[/] {name.replace('_', ' ')}  [dim]{samples}[/]")
    if not report["dry_run"]:
        done = words_of_counts({name: count for name, count in report["applied"].items() if count})
        console.print(f"[bold]done[/]      {done or 'nothing'}")
    if report["left"]:
        console.print(f"[bold]left[/]      {report['left']} for the next cycle: this one's time was up")
    for fault in report["faults"]:
        console.print(f"[bold red]fault[/]     {escape(fault)}")
    console.print(f"[bold]capacity[/]  {escape(report['capacity'])}")
