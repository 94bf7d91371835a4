"""What capacity has learned: boots, gaps between demands, throughput, and who has fallen silent.

One small document of Truth, folded from evidence that carries its own identity: folding the same evidence
again changes nothing, so that two planes may do it at once and either may be late.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final, Self

from parjanya_dagster.core.belief.boot import Boot
from parjanya_dagster.core.belief.signals import Instance, Launch
from parjanya_dagster.core.reconcile.capacity_plan import Learned

SAMPLES: Final = 9
"""Samples an estimate is made of: a change of the world is believed after five, an odd one never."""
MARKS: Final = 32
_ODD: Final = 20.0
"""An estimate stays within a factor of this around its prior: beyond it, something else was measured."""
LONGEST_START: Final = timedelta(hours=1)
"""A start that took longer was an outage, not a start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootMark:
    """How one boot, or one launch that brought no instance, ended.

    Args:
        mark: identity of the evidence: boot, scaling activity or instance.
        version: of the launch template.
        at: when it ended.
        error: what it died of; None if it came up.
        start_s: seconds from the launch to the first receive, where both are known and the boot came up.
        is_warm: it came out of the warm pool.
    """

    mark: str
    version: str
    at: datetime
    error: str | None = None
    start_s: float | None = None
    is_warm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityMemory:
    """What is remembered from cycle to cycle (record LEARNED `capacity`).

    Args:
        marks: ends of boots, oldest first, the newest `MARKS`.
        gaps_s: seconds without demand between two demands, oldest first, the newest `SAMPLES`.
        suspects: since when an instance has shown no pulse, or no progress, that it should.
        good_version: last version of the launch template that came up.
    """

    marks: tuple[BootMark, ...] = ()
    gaps_s: tuple[float, ...] = ()
    suspects: Mapping[str, datetime] = field(default_factory=dict)
    good_version: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the memory as a record's document."""
        return {
            "marks": [asdict(each) | {"at": each.at.isoformat()} for each in self.marks],
            "gaps_s": list(self.gaps_s),
            "suspects": {instance_id: at.isoformat() for instance_id, at in self.suspects.items()},
            "good_version": self.good_version,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the memory of a record."""
        return cls(
            marks=tuple(
                BootMark(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in document["marks"]
            ),
            gaps_s=tuple(float(each) for each in document["gaps_s"]),
            suspects={name: datetime.fromisoformat(at) for name, at in document["suspects"].items()},
            good_version=document["good_version"],
        )


def learned_from(
    memory: CapacityMemory, rates: Sequence[float], *, prior: Learned, is_warm: bool = False
) -> Learned:
    """Return the estimates: each the median of its last `SAMPLES` samples, its prior without any.

    The median of an odd few is unmoved by any minority of odd samples, and needs no variance. An estimate is
    kept within a factor of 20 around its prior.

    Args:
        rates: images per second of one instance, as drains measured them; source: LEARNED `throughput`.
        prior: from the settings; its start is that of the kind asked for.
        is_warm: the next instance comes out of the warm pool.
    """
    starts = [each.start_s for each in memory.marks if each.start_s is not None and each.is_warm == is_warm]
    start_s = _estimate(starts, prior=prior.start.total_seconds())
    return Learned(start=timedelta(seconds=start_s), images_per_s=_estimate(rates, prior=prior.images_per_s))


def with_boots(
    memory: CapacityMemory,
    *,
    boots: Iterable[Boot],
    launches: Iterable[Launch],
    instances: Iterable[Instance],
    version: str | None,
) -> CapacityMemory:
    """Return the memory with every boot and failed launch that ended, each counted once.

    Args:
        instances: of the group; they know the version they were launched from.
        version: that the group launches from now; it answers for what names no version itself.
    """
    started, booted = list(launches), sorted(boots, key=lambda each: each.started_at)
    versions = {each.instance_id: each.template_version for each in instances}
    # A worker that reports its failed boot gives its launch up afterwards: that is one failure, not two.
    reported = {each.instance_id for each in booted if each.error}
    marks = [
        BootMark(mark=each.activity_id, version=version, at=each.started_at, error=each.error)
        for each in started
        if each.blames_template and version is not None and each.instance_id not in reported
    ]
    for boot in booted:
        of = boot.template_version or versions.get(boot.instance_id) or version
        if of is None or not (boot.is_ready or boot.error):
            continue
        launch = _launch_of(boot, started)
        marks.append(
            BootMark(
                mark=boot.boot_id,
                version=of,
                at=boot.at,
                error=boot.error,
                start_s=_start_s(boot, launch, booted),
                is_warm=launch is not None and launch.is_warm,
            )
        )
    return with_marks(memory, marks)


def with_marks(memory: CapacityMemory, marks: Iterable[BootMark]) -> CapacityMemory:
    """Return the memory with these marks, each counted once; what it forgot for its age stays so."""
    known = {each.mark for each in memory.marks}
    forgotten = memory.marks[0].at if len(memory.marks) >= MARKS else None
    new = [each for each in marks if each.mark not in known and (forgotten is None or each.at > forgotten)]
    if not new:
        return memory
    kept = sorted((*memory.marks, *new), key=lambda each: (each.at, each.mark))[-MARKS:]
    good = [each.version for each in kept if each.error is None]
    return replace(memory, marks=tuple(kept), good_version=good[-1] if good else memory.good_version)


def with_gap(memory: CapacityMemory, gap: timedelta) -> CapacityMemory:
    """Return the memory with one more gap between two demands."""
    return replace(memory, gaps_s=(*memory.gaps_s, gap.total_seconds())[-SAMPLES:])


def with_rate(rates: Sequence[float], rate: float) -> list[float]:
    """Return the measured throughputs with one more, images per second, the newest `SAMPLES`."""
    return [*rates, rate][-SAMPLES:]


def _estimate(samples: Sequence[float], *, prior: float) -> float:
    if not samples:
        return prior
    return min(max(median(samples[-SAMPLES:]), prior / _ODD), prior * _ODD)


def _launch_of(boot: Boot, launches: Sequence[Launch]) -> Launch | None:
    """Return the launch that this boot followed, or None if it is not known any more."""
    of_it = [each for each in launches if each.instance_id == boot.instance_id]
    before = [each for each in of_it if each.started_at <= boot.at]
    return max(before, key=lambda each: each.started_at, default=None)


def _start_s(boot: Boot, launch: Launch | None, boots: Sequence[Boot]) -> float | None:
    """Return the seconds from launch to first receive; None for a process that only started again."""
    if launch is None or not boot.is_ready:
        return None
    first = next(
        each
        for each in boots
        if each.instance_id == boot.instance_id and each.is_ready and each.at >= launch.started_at
    )
    taken = boot.at - launch.started_at
    return round(taken.total_seconds(), 1) if first is boot and taken <= LONGEST_START else None
