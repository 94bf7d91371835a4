"""`parjanya status`: what runs, what is true, what is asked for, how many work on it, and what is wrong."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import Home, load_home
from parjanya_dagster.cli.laptop import SERVICES, endpoints
from parjanya_dagster.cli.tables import console_for_tables
from parjanya_dagster.control.capacity_report import report_capacity
from parjanya_dagster.control.counters import backlog
from parjanya_dagster.control.diagnose import findings_in, observe_evidence
from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind, FleetSignal, QueueSignal, Reading
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.reconcile.evidence import Evidence, value_of
from parjanya_dagster.local import services
from parjanya_dagster.local.stack import LocalAws

T = TypeVar("T")

_COUNTED = 1_000
_MIB = 2**20


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(*, as_json: bool) -> None:
    """Show processes, addresses, images by status, backlog, queues, fleet, heartbeats and what is wrong.

    A signal that cannot be read is shown as blind, with the reason; blind is never zero.
    """
    home = load_home()
    processes = process_rows(home)
    report: dict[str, Any] = {"home": str(home.path), "processes": processes}
    if any(each["name"] == "aws" and each["pid"] for each in processes):
        where = endpoints(home)
        report["urls"] = {"web": where.web, "dagster": where.dagster, "aws": where.aws}
        report |= platform_report(connect(home))
    if as_json:
        click.echo(json.dumps(report))
    else:
        _print(report)


def process_rows(home: Home) -> list[dict[str, Any]]:
    """Return every process with its pid, port and memory; pid None for one that does not run."""
    aws = LocalAws.attach(home.aws)
    rows: list[dict[str, Any]] = [
        {
            "name": "aws",
            "pid": aws.pid if aws else None,
            "port": aws.port if aws else None,
            "memory_mib": aws.memory_bytes() // _MIB if aws else None,
            "log": str(home.aws / "local-aws.log"),
        }
    ]
    for name in SERVICES:
        running = services.find(name, home.path)
        rows.append(
            {
                "name": name,
                "pid": running.pid if running else None,
                "port": running.port if running else None,
                "memory_mib": services.memory_bytes(running) // _MIB if running else None,
                "log": str(services.log_of(name, home.path)),
            }
        )
    return rows


def platform_report(platform: Platform) -> dict[str, Any]:
    """Return Truth, Intent and Execution in numbers, and the findings; one reading serves them all."""
    evidence, now = observe_evidence(platform), platform.clock()
    findings = findings_in(platform, evidence)
    return {
        "policy": _readable(platform.control.published_policy),
        "tenants": _readable(lambda: _images(platform, evidence)),
        "backlog": _readable(lambda: dict(backlog(platform))),
        "queue": _queue(evidence.queue),
        "dead_letters": _queue(evidence.dead_letter_queue),
        "open_dead_letters": _reading(evidence.dead_letters, len),
        "fleet": _fleet(evidence.fleet),
        "others": {
            name: {"queue": _queue(each.queue), "fleet": _fleet(each.fleet)}
            for name, each in evidence.others.items()
        },
        "capacity": _readable(lambda: _capacity(platform)),
        "heartbeat_age_s": _reading(
            evidence.heartbeats,
            lambda beats: {plane: round((now - at).total_seconds(), 1) for plane, at in beats.items()},
        ),
        "findings": [{"incident": each.incident, "summary": each.summary} for each in findings],
    }


def _images(platform: Platform, evidence: Evidence) -> dict[str, dict[str, int]]:
    """Return each tenant's newest 1,000 images by status."""
    return {
        tenant_id: dict(Counter(str(row.status) for row in images_of(platform, tenant_id, limit=_COUNTED)))
        for tenant_id in value_of(evidence.registry) or ()
    }


def _capacity(platform: Platform) -> str | None:
    target = report_capacity(platform, decisions=1).target
    return target.plan.words if target else None


def _readable(read: Callable[[], object]) -> object:
    """Return what is read, or why it cannot be."""
    try:
        return read()
    except EdgeError as error:
        return {"blind": str(error)}


def _reading(signal: Reading[T] | Blind, words: Callable[[T], object]) -> object:
    return {"blind": signal.reason} if isinstance(signal, Blind) else words(signal.value)


def _queue(signal: QueueSignal) -> dict[str, Any]:
    if isinstance(signal, Blind):
        return {"blind": signal.reason}
    depth = signal.value
    return {"visible": depth.visible, "in_flight": depth.in_flight, "delayed": depth.delayed}


def _fleet(signal: FleetSignal) -> dict[str, Any]:
    if isinstance(signal, Blind):
        return {"blind": signal.reason}
    size = signal.value
    return {"desired": size.desired, "in_service": size.in_service, "max": size.max_size}


def _print(report: dict[str, Any]) -> None:
    console = console_for_tables()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("process", "pid", "port", "MiB", "log"):
        table.add_column(column)
    for each in report["processes"]:
        if each["pid"]:
            cells = (each["name"], each["pid"], each["port"] or "", each["memory_mib"], each["log"])
        else:
            cells = (each["name"], "[dim]not running[/]", "", "", "")
        table.add_row(*(str(cell) for cell in cells))
    console.print(table)
    if "urls" not in report:
        console.print(
            f"\nNothing else to show: start everything with `parjanya up` (home: {report['home']})."
        )
        return
    console.print()
    for name in ("web", "dagster"):
        if report["urls"][name]:
            console.print(f"[bold]{name:<14}[/]{report['urls'][name]}")
    show_platform(console, report)


def show_platform(console: Console, report: dict[str, Any]) -> None:
    """Print a report of the platform."""

    def line(name: str, words: str) -> None:
        console.print(f"[bold]{name:<14}[/]{words}")

    line("policy", _told(report["policy"]) or "none published")
    tenants = report["tenants"]
    if isinstance(tenants.get("blind"), str):  # a tenant may bear that name
        line("tenants", _told(tenants))
    else:
        console.print("\n[dim]tenants[/]" if tenants else "[dim]no tenants yet[/]")
        for tenant_id, counts in tenants.items():
            line(tenant_id, _told(counts) or "no images")
    console.print()
    line("backlog", _told(report["backlog"]) or "nothing waits")
    line("queue", _told(report["queue"]))
    line(
        "dead letters",
        f"{_told(report['dead_letters'])}; on record {_told(report['open_dead_letters'])} open",
    )
    line("fleet", _told(report["fleet"]))
    for name, each in report["others"].items():
        line(name, f"queue {_told(each['queue'])}; fleet {_told(each['fleet'])}")
    line("capacity", _told(report["capacity"]) or "unknown: the group cannot be read")
    ages = report["heartbeat_age_s"]
    if "blind" not in ages:
        ages = ", ".join(f"{plane} {age:.0f} s ago" for plane, age in ages.items())
    line("heartbeats", _told(ages) or "none yet")
    findings = report["findings"]
    if findings:
        first = escape(findings[0]["summary"])
        line("findings", f"[bold red]{len(findings)}[/]: {first}. More: `parjanya diagnose`")
    else:
        line("findings", "nothing is wrong")


def _told(found: object) -> str:
    """Return a number, a sentence, counts, or blindness for a person."""
    match found:
        case None:
            return ""
        case {"blind": reason}:
            return f"[bold red]BLIND[/]: {escape(str(reason))}"
        case dict():
            return ", ".join(f"{count} {str(name).replace('_', ' ')}" for name, count in found.items())
        case _:
            return escape(str(found))
