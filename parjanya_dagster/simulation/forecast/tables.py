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
_KEPT: Final = {None: Text("no plan"), True: Text("kept", "green"), False: Text("missed", "red")}


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


def night_table(title: str, estimates: Sequence[Estimate]) -> Table:
    """Return one row per system with everything that is known of it."""
    table = _table(title)
    table.add_column("system", no_wrap=True)
    for name in ("instances", "wall clock", "first score", "mean wait", "cost", "of it idle", "per 1,000"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("deadline", no_wrap=True)
    for each in estimates:
        table.add_row(
            each.system,
            str(each.instances),
            duration(each.wall_clock_s),
            duration(each.first_score_s),
            duration(each.mean_wait_s),
            money(each.cost_usd),
            f"{money(each.idle_usd)} {each.idle_usd / each.cost_usd:>4.0%}" if each.cost_usd else money(0),
            money(each.usd_per_1000),
            _KEPT[each.kept],
            style=_row_style(each),
        )
    return table


def burst_table(bursts: Sequence[tuple[str, Sequence[Estimate]]]) -> Table:
    """Return one row per system, one column per burst: how long, for how much, on how many instances.

    Args:
        bursts: name and estimates of each, the systems in the same order.
    """
    table = _table("Bursts: images that arrive at once; red misses the deadline")
    table.add_column("system", no_wrap=True)
    for name, _ in bursts:
        table.add_column(f"{name} images", justify="right", no_wrap=True)
    for row in zip(*(estimates for _, estimates in bursts), strict=True):
        cells = [
            Text(
                f"{duration(each.wall_clock_s)}  {money(each.cost_usd):>7} {each.instances:>3} x",
                _cell_style(each),
            )
            for each in row
        ]
        table.add_row(row[0].system, *cells, style=_row_style(row[0]))
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


def _row_style(estimate: Estimate) -> str:
    return "dim" if estimate.kept is None else ""


def _cell_style(estimate: Estimate) -> str:
    return "red" if estimate.kept is False else ""
