"""How fast simulated worlds live: steps, worlds and virtual time per second of one core; and the soak.

Usage: python -m benchmarks.simulator [--steps 300000] [--seed 100] [--soak]
    --soak plays at least ten million steps and says what every fault, transition and action came to.
"""

import argparse
import json
import logging
import sys
import time

from parjanya_dagster.simulation.run import Report, run

SOAK_STEPS = 10_000_000
_TOLD_EVERY_S = 60.0


def main() -> int:
    """Play worlds, print what they came to; return 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--soak", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the faults that workers would log are the ones asked for
    steps = SOAK_STEPS if arguments.soak else arguments.steps
    began, told = time.process_time(), time.monotonic()

    def tell(report: Report) -> None:
        nonlocal told
        if time.monotonic() - told >= _TOLD_EVERY_S:
            told = time.monotonic()
            print(
                f"{report.steps:,} of {steps:,} steps, {report.worlds:,} worlds", file=sys.stderr, flush=True
            )

    report = run(arguments.seed, steps=steps, progress=tell)
    _print(report, time.process_time() - began)
    return 0 if report.is_ok else 1


def _print(report: Report, cpu_s: float) -> None:
    rows = {
        "steps": f"{report.steps:,}",
        "worlds": f"{report.worlds:,}",
        "virtual days": f"{report.virtual_s / 86_400:,.1f}",
        "CPU seconds": f"{cpu_s:,.1f}",
        "steps/s": f"{report.steps / cpu_s:,.0f}",
        "worlds/s": f"{report.worlds / cpu_s:,.1f}",
        "virtual seconds/s": f"{report.virtual_s / cpu_s:,.0f}",
        "faults": f"{report.faults.total():,} of {len(report.faults)} kinds",
        "violations": len(report.failed.violations) if report.failed else 0,
    }
    for name, value in rows.items():
        print(f"{name:<18}{value:>20}")
    print(json.dumps(report.document()))


if __name__ == "__main__":
    sys.exit(main())
