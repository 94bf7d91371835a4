"""Reconciliation at scale: own CPU, requests and memory, by rows and by gaps.

    python -m benchmarks.reconcile [--json FILE] [--only memory,plan,local]

Prints Markdown tables; docs/benchmarks.md says how to read them. Nothing is asserted of time: a machine's
speed is no property of the product. Budgets: DESIGN section 14.
"""

import argparse
import json
from pathlib import Path

from benchmarks.reconcile_in_memory import measure_in_memory
from benchmarks.reconcile_local import measure_on_endpoints
from benchmarks.reconcile_plan import measure_plan

PARTS = ("memory", "plan", "local")


def main() -> None:
    """Measure, print, and write the document where one is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=lambda text: text.split(","), default=PARTS, help="parts to measure")
    parser.add_argument("--rows", type=_numbers, default=[10_000, 100_000, 1_000_000], help="in memory")
    parser.add_argument("--gaps", type=_numbers, default=[1_000, 100_000], help="in memory")
    parser.add_argument(
        "--snapshots", type=_numbers, default=[1_000, 10_000, 100_000], help="for the plan alone"
    )
    parser.add_argument("--local-rows", type=int, default=100_000, help="on the local endpoints")
    parser.add_argument("--local-gaps", type=_numbers, default=[1_000, 10_000], help="on the local endpoints")
    parser.add_argument("--json", type=Path, help="write the tables as a document, too")
    arguments = parser.parse_args()
    parts = {
        "memory": lambda: measure_in_memory(arguments.rows, arguments.gaps),
        "plan": lambda: measure_plan(arguments.snapshots),
        "local": lambda: measure_on_endpoints(arguments.local_rows, arguments.local_gaps),
    }
    tables = [table for part in arguments.only for table in parts[part]()]
    for table in tables:
        print(table.markdown())
    if arguments.json:
        document = {table.title: list(table.rows) for table in tables}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


if __name__ == "__main__":
    main()
