"""`parjanya status`: what runs, what is true, what is asked for, and how many work on it."""

import json
from collections import Counter
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import Home, load_home
from parjanya_dagster.cli.laptop import SERVICES, endpoints
from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.signals import Blind, FleetSignal, QueueSignal
from parjanya_dagster.local import services
from parjanya_dagster.local.stack import LocalAws

_COUNTED = 1_000
_MIB = 2**20


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(*, as_json: bool) -> None:
    """Show processes, addresses, images by status, queues, fleet and heartbeats.

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
    """Return Truth, Intent and Execution in numbers; counts cover each tenant's newest 1,000 images."""
    now = platform.clock()
    return {
        "policy": platform.control.published_policy(),
        "tenants": {
            tenant_id: dict(
                Counter(str(row.status) for row in images_of(platform, tenant_id, limit=_COUNTED))
            )
            for tenant_id in platform.control.tenants()
        },
        "queue": _queue(platform.queue.depth()),
        "dead_letters": _queue(platform.queue.dead_letter_depth()),
        "fleet": _fleet(platform.fleet.size()),
        "heartbeat_age_s": {
            plane: round((now - at).total_seconds(), 1) for plane, at in platform.control.heartbeats().items()
        },
    }


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
    console = Console()
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
    console.print(f"[bold]{'policy':<14}[/]{report['policy'] or 'none published'}")
    console.print("\n[dim]tenants[/]" if report["tenants"] else "[dim]no tenants yet[/]")
    for tenant_id, counts in report["tenants"].items():
        console.print(f"[bold]{tenant_id:<14}[/]{_words(counts) or 'no images'}")
    console.print()
    for name in ("queue", "dead_letters", "fleet"):
        console.print(f"[bold]{name.replace('_', ' '):<14}[/]{_signal(report[name])}")
    ages = ", ".join(f"{plane} {age:.0f} s ago" for plane, age in report["heartbeat_age_s"].items())
    console.print(f"[bold]{'heartbeats':<14}[/]{ages or 'none yet'}")


def _words(counts: dict[str, Any]) -> str:
    return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in counts.items())


def _signal(signal: dict[str, Any]) -> str:
    return f"[bold red]BLIND[/]: {signal['blind']}" if "blind" in signal else _words(signal)
