"""The forecast: prints its tables and writes docs/forecast.md with its figure.

    python -m benchmarks.forecast [NAME=VALUE ...]

Changed assumptions are for looking only: the page in the repository is written from the unchanged ones.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from parjanya_dagster.simulation.forecast.report import (
    Forecast,
    as_table,
    run_forecast,
    scenario,
    write_plot,
)
from parjanya_dagster.simulation.forecast.tables import NIGHT_COLUMNS, burst_cell, night_cells

DOCS = Path(__file__).parents[1] / "docs"
WIDTH = 180
INTRODUCTION = """# Forecast: the original system beside ours

Written by `python -m benchmarks.forecast`; `parjanya simulate --scenario nightly` gives the same numbers, and
`--assume NAME=VALUE` changes any of them. **None was measured on a GPU of ours**: throughput is a roofline
estimate, prices are list prices. The last table says of each where it comes from.

![Wall clock and cost against burst size](forecast.png)

## The two systems

* **Nightly endpoint**: the original system. One endpoint is created at nightfall, boots for 20 to 40 min,
  scores one image at a time, 13 s each, and is deleted when it is done; "kept on" means until morning.
* **Ours**: at each arrival the product's own capacity plan (`core/reconcile/capacity_plan.py`, unchanged)
  says how many instances to desire, and its keep-alive rule how long an idle fleet stays. A discrete-event
  model lets the instances boot, score and stop. "Pool of N": so many stopped instances with hydrated volumes,
  which are paid all day, used or not; further ones start cold.

*Wall clock* runs from when work could begin (ours: the first arrival; the endpoint: nightfall) to the last
score; *first score* and *mean wait* run from arrival. *Idle* is all that is paid while nothing is scored:
boot, waiting, idling, stopped volumes. *Deadline*: was every image scored within it?

Left out, for both: Lambda, S3, SQS and DynamoDB (cents), failed boots, Spot, and capacity that AWS lacks.
"""
READING = """## How to read it

* Scoring is cheap; being ready for it is not. On a night of trickling uploads most of what we pay is idle
  time, and a slow, cheap instance is the better buy. Only bursts are worth a fast one.
* The pool buys minutes, not throughput: it is worth its volumes where the first score matters.
* Up to what one instance does by the deadline, the deadline costs nothing. Beyond, the fleet grows by one
  instance at a time and uses the time it was given; the price per image stays flat.
* Where the group's maximum comes first, the plan says beforehand that the deadline will be missed.
"""


def rows(columns: Sequence[str], marks: str, cells: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a Markdown table, each column to the left (`l`) or the right (`r`) as `marks` say."""
    yield f"| {' | '.join(columns)} |"
    yield "".join({"l": "|---", "r": "|---:"}[mark] for mark in marks) + "|"
    for row in cells:
        yield f"| {' | '.join(row)} |"
    yield ""


def page(forecast: Forecast) -> str:
    """Return docs/forecast.md."""
    facts, bursts = forecast.assumptions.facts(), forecast.bursts
    lines = [INTRODUCTION, f"## One night, {forecast.assumptions.night_images:,} images", ""]
    for case in forecast.nights:
        cells = (night_cells(each) for each in case.estimates)
        lines += [f"### {case.name.capitalize()}", "", *rows(NIGHT_COLUMNS, "lrrrrrrrl", cells)]
    lines += ["## Bursts", "", "Wall clock, cost and instances.", ""]
    lines += rows(
        ("system", *(f"{case.name} images" for case in bursts)),
        "l" + "r" * len(bursts),
        (
            (row[0].system, *(burst_cell(each) for each in row))
            for row in zip(*(case.estimates for case in bursts), strict=True)
        ),
    )
    for case in bursts[-1:]:
        plans = ((each.system, each.explanation) for each in case.estimates if each.explanation)
        lines += [f"### The capacity plan of {case.name} images, in its own words", ""]
        lines += rows(("system", "plan"), "ll", plans)
    lines += [READING, "## Assumptions", ""]
    lines += rows(
        ("name", "value", "unit", "known", "source"),
        "lrlll",
        ((f"`{each.name}`", f"{each.value:,.10g}", each.unit, each.kind, each.source) for each in facts),
    )
    return "\n".join(lines).rstrip() + "\n"


def main(assume: Sequence[str]) -> None:
    """Print the tables and how long they took; write the page where nothing was changed."""
    before = time.perf_counter()
    forecast = run_forecast(scenario(assume))
    took_s = time.perf_counter() - before
    console = Console(width=WIDTH)
    console.print(as_table(forecast))
    console.print(f"computed in {took_s:.3f} s")
    if not assume:
        (DOCS / "forecast.md").write_text(page(forecast), encoding="utf-8")
        write_plot(forecast, DOCS / "forecast.png")


if __name__ == "__main__":
    main(sys.argv[1:])
