"""What a whole line must survive: a purged queue, a stop and start of everything, and nothing to do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from benchmarks.line_driver import Line, wait_until
from parjanya_dagster.core.belief.signals import FleetSize

Scenario = Callable[[Line, int], "Measured"]

_PATIENCE_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a scenario showed.

    Args:
        seconds: durations, by what they are.
        counts: counts, by what they are.
        faults: what is not as it must be at the end; empty when all is well.
    """

    seconds: Mapping[str, float]
    counts: Mapping[str, int]
    faults: Sequence[str]


def purge(line: Line, images: int) -> Measured:
    """Purge the queue under images that wait while no worker runs; when all are sent again, let workers run.

    Raises:
        TimeoutError: it did not go on.
    """
    line.client.upload(images)
    wait_until(lambda: all(row.has_outstanding_intent for row in line.rows()), "not every image had a job")
    wait_until(lambda: line.messages() == images, "not every job was on the queue")
    line.purge()
    purged_at = line.platform.clock()
    wait_until(lambda: all(row.emissions > 1 for row in line.rows()), "not every job was sent again")
    sent_at = [row.intent_at for row in line.rows() if row.intent_at]
    sent_twice = line.messages()
    line.start_workers()
    verdicts_s = _await_verdicts(line, images)
    return Measured(
        seconds={
            "purge to the first job sent again": _between(purged_at, min(sent_at)),
            "purge to the last job sent again": _between(purged_at, max(sent_at)),
            "workers started to the last verdict": verdicts_s,
        },
        counts={"messages after sending again": sent_twice, **_results(line)},
        faults=line.faults(),
    )


def restart(line: Line, images: int) -> Measured:
    """Stop everything when a quarter of the images has a verdict and more are being uploaded; start it again.

    The local AWS is asked to stop; the fleet and its workers are killed. The client goes on trying.

    Raises:
        TimeoutError: it did not go on.
    """
    line.start_workers()
    uploads = line.client.uploading(images)
    wait_until(lambda: line.settled() >= images // 4, "the first verdicts did not come")
    line.kill_workers()
    uploaded, settled = len(line.client.keys), line.settled()
    stopped_at = line.platform.clock()
    line.stop_aws()
    line.start_aws()
    line.start_workers()
    uploads.result(timeout=_PATIENCE_S)
    _await_verdicts(line, images)
    last = max(row.entered_at for row in line.rows())
    late = [] if settled < images else ["everything was done before the stop: it proves nothing"]
    return Measured(
        seconds={"stop to the last verdict": _between(stopped_at, last)},
        counts={"uploaded at the stop": uploaded, "settled at the stop": settled, **_results(line)},
        faults=[*late, *line.faults()],
    )


def zero(line: Line, images: int) -> Measured:
    """Wait until the group is empty after the last verdict, then wake it with one more image.

    Raises:
        TimeoutError: it did not come to rest, or did not wake.
    """
    line.start_workers()
    line.client.upload(images)
    _await_verdicts(line, images)
    last = max(row.entered_at for row in line.rows())
    most = line.fleet_size()
    wait_until(lambda: _is_empty(line.fleet_size()), "the group did not reach zero", within_s=_PATIENCE_S)
    emptied_at = line.platform.clock()
    gone_s = wait_until(lambda: not line.workers(), "workers outlived their instances")
    woken_at = line.platform.clock()
    line.client.upload(1)
    _await_verdicts(line, images + 1)
    woken = max(row.entered_at for row in line.rows())
    return Measured(
        seconds={
            "last verdict to zero desired and in service": _between(last, emptied_at),
            "zero to the last worker gone": gone_s,
            "one later upload to its verdict": _between(woken_at, woken),
        },
        counts={"instances at the last verdict": most.in_service, **_results(line)},
        faults=line.faults(),
    )


SCENARIOS: Final[Mapping[str, Scenario]] = {"purge": purge, "restart": restart, "zero": zero}


def _await_verdicts(line: Line, images: int) -> float:
    return wait_until(lambda: line.settled() == images, "not every image was settled", within_s=_PATIENCE_S)


def _is_empty(size: FleetSize) -> bool:
    return size.desired == 0 and size.in_service == 0


def _between(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds()


def _results(line: Line) -> dict[str, int]:
    rows = line.rows()
    return {
        "images": len(rows),
        "results written": line.results(),
        "results in effect": sum(row.result_id is not None for row in rows),
    }
