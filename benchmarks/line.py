"""The whole line with real processes, at full size and deployed limits: what it survives, and how fast.

An own local AWS with everything deployed, its functions, and headless workers on the local fleet; no Dagster.
    purge     the queue is purged under images that wait: sent again within three minutes, all get verdicts
    restart   everything is stopped and started in the middle: all get verdicts
    zero      nothing is left to do: the group is empty within two minutes, and one upload wakes it
Ends with status 1 if anything is not as it must be, read from Truth and from the queues.

Run: python -m benchmarks.line purge|restart|zero [--images 200] [--keep DIR]
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.line_driver import count_by_verdict, running_line
from benchmarks.line_scenarios import SCENARIOS
from benchmarks.memory import peak_memory


def main() -> int:
    """Run one scenario and print what it showed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="an empty directory for state and logs, kept afterwards")
    arguments = parser.parse_args()
    # told to end, it stops what it started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as scratch, peak_memory() as peak_mib:
        home = arguments.keep or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        with running_line(home) as line:
            measured = SCENARIOS[arguments.scenario](line, arguments.images)
            verdicts = count_by_verdict(line.rows())
    print(f"{arguments.scenario}, {arguments.images} images")
    for name, seconds in measured.seconds.items():
        print(f"  {name:<46}{seconds:8.1f} s")
    for name, count in {**measured.counts, **verdicts}.items():
        print(f"  {name:<46}{count:8}")
    print(f"  {'peak memory of all processes':<46}{peak_mib():8.0f} MiB")
    for fault in measured.faults:
        print(f"  FAULT {fault}")
    return 1 if measured.faults else 0


if __name__ == "__main__":
    sys.exit(main())
