"""The capacity plan: how many instances, what each choice would cost, and why this one.

A plan that only says a number cannot be argued with (SkyPilot issue 6916). This one lists what every allowed
size would do, and which of the user's two wishes gives way when both cannot be had.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import floor
from typing import Any, Final

from parjanya_dagster.core.reconcile.wording import counted

_SECONDS_PER_HOUR: Final = 3600
_WORK_SHARE: Final = 0.25
"""Of the deadline that starting may not eat: one image behind a cold start is no reason for a fleet."""
_CENT: Final = 1e-9
_SHOWN: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What may be bought.

    Args:
        max_instances: never more than this, ≥ 1.
        usd_per_instance_hour: price of one instance, from its launch to its end; source: settings.
    """

    max_instances: int
    usd_per_instance_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user wants; source: settings.

    Args:
        deadline: time in which the present demand should be done, start-up included.
        price_cap_usd_per_hour: the most that all instances together may cost per hour; None for no cap.
            A rate, because every plane can keep one at every instant, without accounts that could be late.
    """

    deadline: timedelta
    price_cap_usd_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """How fast this platform has been; source: `capacity_memory.learned_from`.

    Args:
        start: from asking for an instance to its first receive.
        images_per_s: of one instance while it has work, > 0.
    """

    start: timedelta
    images_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One size of the fleet.

    Args:
        instances: ≥ 1.
        finish_s: seconds until the demand is done, start-up included.
        usd: what that costs, every instance paid from now or its launch until the end.
    """

    instances: int
    finish_s: float
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPlan:
    """What was chosen, and among what.

    Args:
        demand: images, ≥ 0.
        instances: chosen, in [0, the most allowed].
        options: 1 to the most allowed; empty without demand.
        gives_way: which wish cannot be met, and why; None if all are.
        at: when it was made.
    """

    demand: int
    instances: int
    options: tuple[Option, ...]
    gives_way: str | None
    at: datetime

    @property
    def words(self) -> str:
        """The plan for a person, e.g. `2 instances: done 05:41, $1.90; 4: 03:10, $2.02`."""
        if not self.options:
            return "nothing waits: no instance"
        shown = _shown(self.options, self.instances)
        told = [_told(option, at=self.at, is_first=index == 0) for index, option in enumerate(shown)]
        way = f"; {self.gives_way}" if self.gives_way else ""
        return f"chosen {self.instances} for {self.demand} images: {'; '.join(told)}{way}"

    def document(self) -> dict[str, Any]:
        """Return the plan as plain values, for a record."""
        return {
            "demand": self.demand,
            "instances": self.instances,
            "options": [asdict(option) for option in self.options],
            "gives_way": self.gives_way,
            "words": self.words,
        }


def most_instances(offer: Offer, wish: Wish) -> int:
    """Return the instances that maximum and price cap allow, ≥ 0; the same in every plane."""
    if wish.price_cap_usd_per_hour is None:
        return offer.max_instances
    payable = floor(wish.price_cap_usd_per_hour / offer.usd_per_instance_hour + _CENT)
    return min(offer.max_instances, payable)


def capacity_plan(
    demand: int, learned: Learned, offer: Offer, wish: Wish, *, now: datetime, running: int = 0
) -> CapacityPlan:
    """Return the fewest instances that meet the deadline, or the most allowed; monotone in demand.

    If starting alone eats the deadline, the deadline gives way: a quarter of it is left to the work itself.

    Args:
        demand: images, ≥ 0.
        running: instances that work already and need no start, ≥ 0.
    """
    most = most_instances(offer, wish)
    options = tuple(
        _option(count, demand, learned, offer, running=running) for count in range(1, most + 1) if demand
    )
    start_s, deadline_s = learned.start.total_seconds(), wish.deadline.total_seconds()
    target_s = max(deadline_s, start_s + _WORK_SHARE * deadline_s)
    in_time = [option.instances for option in options if option.finish_s <= target_s]
    # More instances than images help nobody.
    chosen = min(min(in_time, default=most), demand)
    return CapacityPlan(
        demand=demand,
        instances=chosen,
        options=options,
        gives_way=_what_gives_way(options, chosen, learned, offer, wish),
        at=now,
    )


def plan_of(document: Mapping[str, Any], *, at: datetime) -> CapacityPlan:
    """Return the plan of a record."""
    return CapacityPlan(
        demand=int(document["demand"]),
        instances=int(document["instances"]),
        options=tuple(
            Option(instances=int(each["instances"]), finish_s=float(each["finish_s"]), usd=float(each["usd"]))
            for each in document["options"]
        ),
        gives_way=document["gives_way"],
        at=at,
    )


def _option(count: int, demand: int, learned: Learned, offer: Offer, *, running: int) -> Option:
    work_s, start_s = demand / learned.images_per_s, learned.start.total_seconds()
    ready = min(count, running)
    alone_s = work_s / ready if ready else float("inf")
    if ready == count or alone_s <= start_s:
        finish_s = alone_s
    else:
        finish_s = start_s + (work_s - ready * start_s) / count
    usd = count * finish_s * offer.usd_per_instance_hour / _SECONDS_PER_HOUR
    return Option(instances=count, finish_s=finish_s, usd=usd)


def _what_gives_way(
    options: tuple[Option, ...], chosen: int, learned: Learned, offer: Offer, wish: Wish
) -> str | None:
    if not options:
        return None
    finish_s, deadline_s = options[chosen - 1].finish_s, wish.deadline.total_seconds()
    if finish_s <= deadline_s:
        return None
    late = f"the deadline of {_lasting(deadline_s)} gives way to"
    if chosen < len(options):
        start = _lasting(learned.start.total_seconds())
        return f"{late} starting, which takes {start}: more instances would hardly be sooner"
    if chosen < offer.max_instances and wish.price_cap_usd_per_hour is not None and chosen == len(options):
        cap = f"${wish.price_cap_usd_per_hour:.2f} an hour"
        return f"{late} the price cap: {cap} pays for {chosen}, which need {_lasting(finish_s)}"
    return f"{late} the maximum of {chosen}, which need {_lasting(finish_s)}"


def _shown(options: tuple[Option, ...], chosen: int) -> list[Option]:
    """Return the chosen option and what it is compared with: the smallest, its double, the largest."""
    counts = [chosen, 2 * chosen, len(options), 1]
    wanted = sorted({count for count in counts if 1 <= count <= len(options)})[:_SHOWN]
    return [options[count - 1] for count in wanted]


def _told(option: Option, *, at: datetime, is_first: bool) -> str:
    done = at + timedelta(seconds=option.finish_s)
    count = counted(option.instances, "instance") if is_first else option.instances
    return f"{count}: done {done:%H:%M} (in {_lasting(option.finish_s)}), ${option.usd:.2f}"


def _lasting(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
