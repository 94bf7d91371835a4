"""How a boot is shown to a person: progress while it goes on, then its stages and times as a table."""

import json
import sys
from typing import Any, TextIO

from gpu_worker.boot.hashing import Progress
from gpu_worker.boot.pipeline import Run, Trace
from parjanya_dagster.core.belief.boot import BootStage


class Narrator:
    """Tells a terminal how a boot gets on; see `Witness`.

    Args:
        out: where people look while they wait; standard error, so that the result can be piped.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr

    def reach(self, stage: BootStage, *, trace: Trace) -> None:
        """See `Witness`."""
        del stage
        self._say(f"{trace[-1].name} ...")

    def note(self, trace: Trace) -> None:
        """See `Witness`."""
        ended = trace[-1]
        self._say(f"{ended.name} {ended.seconds or 0.0:.2f} s: {ended.detail}")

    def tell(self, progress: Progress) -> None:
        """Show how far hashing has come."""
        done, total = progress.done_bytes / 1e6, progress.total_bytes / 1e6
        self._say(f"  {done:,.0f} of {total:,.0f} MB, {progress.megabytes_per_s:,.0f} MB/s")

    def _say(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def table_of(run: Run) -> str:
    """Return the stages of a boot as a table, with what ended it."""
    rows = [(each.name, f"{each.seconds or 0.0:.3f}", each.detail) for each in run.trace]
    rows.append(("all", f"{run.seconds:.3f}", "refused" if run.failed else "ready"))
    lines = [
        f"{'stage':<9} {'seconds':>9}  found",
        *(f"{name:<9} {took:>9}  {what}" for name, took, what in rows),
    ]
    return "\n".join([*lines, *((str(run.failed),) if run.failed else ())])


def document_of(run: Run) -> dict[str, Any]:
    """Return a boot as plain JSON: what `--json` prints, and what benchmarks keep."""
    return {
        "ready": run.failed is None,
        "seconds": round(run.seconds, 3),
        "failure": run.failed.failure.value if run.failed else None,
        "error": str(run.failed) if run.failed else None,
        "stages": [each.document() for each in run.trace],
    }


def show(run: Run, *, as_json: bool) -> None:
    """Print a boot's stages."""
    text = json.dumps(document_of(run), indent=2) if as_json else table_of(run)
    print(text)  # noqa: T201 - the command's result
