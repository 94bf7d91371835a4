"""What a benchmark measured, in one form: on which machine, with which versions, when, and the rows.

A benchmark opens a `Results` and adds rows; the file is written after each of them, so that an interrupted
run loses nothing. `python -m benchmarks.render` makes plots and pages of these files. Nothing here imports
more than the standard library: a machine with a GPU need not have anything else.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from benchmarks.tables import Table

FOLDER: Final = Path(__file__).parents[1] / "docs" / "results"
Cell = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The one plot of a benchmark: a bar per row of one of its tables.

    Args:
        table: its title.
        label: the column that names a bar.
        value: the column that gives its length; rows without a number there have no bar.
        series: the column that colours bars which share a label, if any.
        is_log: whether lengths span orders of magnitude.
    """

    table: str
    label: str
    value: str
    series: str | None = None
    is_log: bool = False


@dataclass(slots=True, kw_only=True)
class Results:
    """What one run measured; `add` rows, then it is on disk.

    Args:
        path: the file that is written, with its folder.
        command: how the run was started.
        machine, versions, commit, date: what it ran on, with and of, and when it began (UTC).
        load_average: of the last minute, when the run began and at the last row.
        tables: rows by table, in the order of their first row.
        remarks: what a reader must know, e.g. what was skipped.
    """

    path: Path
    plot: Plot
    command: str
    machine: Mapping[str, Cell]
    versions: Mapping[str, str]
    commit: str | None
    date: str
    load_average: list[float]
    tables: dict[str, list[dict[str, Cell]]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, table: str, row: Mapping[str, Cell]) -> None:
        """Add a row to a table, show it, and write everything so far."""
        rows = self.tables.setdefault(table, [])
        rows.append({name: _rounded(cell) for name, cell in row.items()})
        print(f"{table} | {' | '.join(f'{name} {cell}' for name, cell in rows[-1].items())}", flush=True)
        self.write()

    def remark(self, text: str) -> None:
        """Say what the numbers do not; written at once."""
        self.remarks.append(text)
        print(text, flush=True)
        self.write()

    def write(self) -> None:
        """Write the file whole: a reader never sees half of it."""
        self.load_average[1:] = [_load()]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        document = {name: value for name, value in asdict(self).items() if name != "path"}
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        unfinished.replace(self.path)

    def markdown(self) -> str:
        """Return machine, versions and date, the remarks, and every table."""
        lines = [f"`{self.command}`", "", self._circumstances(), ""]
        lines += [f"* {remark}" for remark in self.remarks]
        lines += [""] if self.remarks else []
        lines += [Table(title=title, rows=rows).markdown(level=4) for title, rows in self.tables.items()]
        return "\n".join(lines)

    def _circumstances(self) -> str:
        low, high = sorted((self.load_average * 2)[:2])
        cores = f"{self.machine['cores']} cores (load average {low:.1f} to {high:.1f})"
        parts = [self.date[:10], f"{self.machine['cpu']}, {cores}, {self.machine['memory_gib']} GiB"]
        if self.machine["gpu"]:
            parts.append(str(self.machine["gpu"]))
        parts.append(", ".join(f"{name} {number}" for name, number in self.versions.items()))
        if self.commit:
            parts.append(f"commit {self.commit}")
        return " · ".join(parts)


def open_results(
    name: str, *, plot: Plot, packages: Sequence[str], out: Path | None = None, gpu: str | None = None
) -> Results:
    """Return empty results of the benchmark that this process runs.

    Args:
        name: of the benchmark; also of its file in docs/results.
        packages: distributions whose versions matter.
        out: the file, if not that one.
        gpu: what the benchmark computes on, if not on the CPU.
    """
    return Results(
        # where the file goes is no part of the command that readers repeat
        path=out or FOLDER / f"{name}.json",
        plot=plot,
        command=_command([each for each in sys.argv[1:] if each not in ("--out", f"--out={out}", str(out))]),
        machine=this_machine(gpu),
        versions={"Python": platform.python_version()} | _versions(packages),
        commit=_commit(),
        date=datetime.now(tz=UTC).isoformat(timespec="minutes"),
        load_average=[_load(), _load()],
    )


def read_results(path: Path) -> Results:
    """Return what a run wrote.

    Raises:
        TypeError, KeyError: the file is no document of results.
    """
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Results(path=path, **document | {"plot": Plot(**document["plot"])})


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that all benchmarks share; its help is the module's own text."""
    made = argparse.ArgumentParser(
        prog=_command([]),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--out", type=Path, help="the file of results; docs/results/NAME.json if not given")
    return made


def this_machine(gpu: str | None = None) -> dict[str, Cell]:
    """Return what the reader must know to compare numbers."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_bytes / 2**30),
        "gpu": gpu,
        "system": platform.system(),
    }


def _command(arguments: Sequence[str]) -> str:
    return " ".join(["python -m", f"benchmarks.{Path(sys.argv[0]).stem}", *arguments])


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _commit() -> str | None:
    """Return the commit of the code that runs; None in a copy without its history."""
    try:
        command = ["git", "describe", "--always", "--exclude=*"]
        asked = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return asked.stdout.strip()


def _load() -> float:
    return round(os.getloadavg()[0], 1)


def _rounded(cell: Cell) -> Cell:
    """Four digits say more than any machine repeats."""
    return float(f"{cell:.4g}") if isinstance(cell, float) else cell
