"""The forecast's tables for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from parjanya_dagster.simulation.forecast.assumptions import Fact
from parjanya_dagster.simulation.forecast.estimate import Estimate

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86400
_FINE_USD: Final = 100
_KEPT: Final = {None: "no plan", True: "kept", False: "missed"}
NIGHT_COLUMNS: Final = (
    "system",
    "instances",
    "wall clock",
    "first score",
    "mean wait",
    "cost",
    "of it idle",
    "per 1,000",
    "deadline",
)


def duration(seconds: float) -> str:
    """Return a duration in two units, e.g. "11 h 20 min"."""
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S:02} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S:02} h"


def money(usd: float) -> str:
    """Return an amount, with cents up to a hundred dollars."""
    return f"${usd:,.2f}" if usd < _FINE_USD else f"${usd:,.0f}"


def night_cells(estimate: Estimate) -> tuple[str, ...]:
    """Return one system's row under NIGHT_COLUMNS."""
    share = estimate.idle_usd / estimate.cost_usd if estimate.cost_usd else 0
    return (
        estimate.system,
        str(estimate.instances),
        duration(estimate.wall_clock_s),
        duration(estimate.first_score_s),
        duration(estimate.mean_wait_s),
        money(estimate.cost_usd),
        f"{money(estimate.idle_usd)} {share:>4.0%}",
        money(estimate.usd_per_1000),
        _KEPT[estimate.kept],
    )


def burst_cell(estimate: Estimate) -> str:
    """Return how long, for how much, on how many instances; "late" where the deadline is missed."""
    late = "late, " if estimate.kept is False else ""
    return (
        f"{late}{duration(estimate.wall_clock_s)}, {money(estimate.cost_usd):>7}, {estimate.instances:>2} x"
    )


def night_table(title: str, estimates: Sequence[Estimate]) -> Table:
    """Return one row per system with everything that is known of it."""
    table = _table(title)
    for name in NIGHT_COLUMNS:
        table.add_column(name, justify="left" if name in {"system", "deadline"} else "right", no_wrap=True)
    for each in estimates:
        table.add_row(*night_cells(each), style=_style(each))
    return table


def burst_table(bursts: Sequence[tuple[str, Sequence[Estimate]]]) -> Table:
    """Return one row per system, one column per burst.

    Args:
        bursts: name and estimates of each, the systems in the same order.
    """
    table = _table("Bursts: images that arrive at once")
    table.add_column("system", no_wrap=True)
    for name, _ in bursts:
        table.add_column(f"{name} images", justify="right", no_wrap=True)
    for row in zip(*(estimates for _, estimates in bursts), strict=True):
        table.add_row(row[0].system, *(Text(burst_cell(each), _style(each)) for each in row))
    return table


def plan_table(title: str, estimates: Sequence[Estimate]) -> Table:
    """Return one row per system that is planned: the capacity plan in its own words."""
    table = _table(title)
    table.add_column("system", no_wrap=True)
    table.add_column("plan", overflow="fold")
    for each in estimates:
        if each.explanation:
            table.add_row(each.system, each.explanation, style=_style(each))
    return table


def assumption_table(facts: Sequence[Fact]) -> Table:
    """Return one row per assumption; changed ones stand out."""
    table = _table("Assumptions (--assume NAME=VALUE changes one)")
    for name in ("name", "value", "unit", "known", "source"):
        table.add_column(name, justify="right" if name == "value" else "left", no_wrap=name != "source")
    for fact in facts:
        table.add_row(*_fact_cells(fact), style="bold yellow" if fact.changed else "")
    return table


def _fact_cells(fact: Fact) -> Iterator[str]:
    yield fact.name
    yield f"{fact.value:,.10g}"
    yield fact.unit
    yield "changed" if fact.changed else fact.kind
    yield f"instead of: {fact.source}" if fact.changed else fact.source


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        header_style="bold",
        pad_edge=False,
        padding=(0, 1),
    )


def _style(estimate: Estimate) -> str:
    return {None: "dim", True: "", False: "red"}[estimate.kept]
