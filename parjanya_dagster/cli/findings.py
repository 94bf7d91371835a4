"""Findings on a terminal: layer, incident, since, summary, evidence and fix."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from parjanya_dagster.cli.tables import words_of_time


def show_findings(console: Console, findings: Sequence[dict[str, Any]]) -> None:
    """Print findings, given as `findings_document` has them."""
    if not findings:
        console.print("[green]Nothing is wrong.[/]")
    for finding in findings:
        incident = f" · incident {finding['incident']}" if finding["incident"] else ""
        at = finding["since"]
        since = f" · since {words_of_time(datetime.fromisoformat(at))}" if at else ""
        console.print(f"[bold red]{finding['layer'].replace('_', ' ')}[/]{incident}{since}")
        console.print(Padding(f"[bold]{escape(finding['summary'])}[/]", (0, 0, 0, 2)))
        for fact in finding["evidence"]:
            console.print(Padding(f"[dim]·[/] {escape(fact)}", (0, 0, 0, 2)))
        console.print(Padding(f"[green]→[/] {escape(finding['fix'])}", (0, 0, 1, 2)))
