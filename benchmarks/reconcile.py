"""Reconciliation at scale: own CPU, requests and memory, by rows and by gaps.

    python benchmarks/reconcile.py [--json FILE] [--rows 10000,100000,1000000] [--gaps 1000,100000]

Prints Markdown tables; docs/benchmarks.md says how to read them. Nothing here is asserted: a machine's speed
is no property of the product. Budgets: DESIGN section 14.
"""

import argparse
import json
from pathlib import Path

from reconcile_in_memory import measure_in_memory


def main() -> None:
    """Measure, print, and write the document where one is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=_numbers, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--gaps", type=_numbers, default=[1_000, 100_000])
    parser.add_argument("--json", type=Path, help="write the tables as a document, too")
    arguments = parser.parse_args()
    tables = measure_in_memory(arguments.rows, arguments.gaps)
    for table in tables:
        print(table.markdown(), flush=True)
    if arguments.json:
        document = {table.title: list(table.rows) for table in tables}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


if __name__ == "__main__":
    main()
