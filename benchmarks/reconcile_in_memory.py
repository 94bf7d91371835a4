"""Reconciliation over the simulator's fakes: what the product itself spends, whatever the table's size."""

import gc
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any, Final

from benchmarks.reconcile_meter import Meter
from benchmarks.tables import Table
from parjanya_dagster.control.apply import apply
from parjanya_dagster.control.observe import observe_world
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.reconcile.actions import Action, EmitIntent
from parjanya_dagster.core.reconcile.plan import plan
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.calls import WRITES
from parjanya_dagster.simulation.fakes.platform import START, FakePlatform, a_fake_platform
from tests.builders import a_key, a_row

TENANTS: Final = tuple(f"tenant-{letter}" for letter in "abcd")
RECENT: Final = 2000
"""Images whose objects lie where the next look at originals reads them: a full page of each tenant."""
IDLE_CYCLES: Final = 20
GAPS_FROM: Final = 2_000_000
"""Number of the first image that waits; settled ones have smaller numbers."""


def measure_in_memory(sizes: Sequence[int], gaps: Sequence[int]) -> list[Table]:
    """Return the tables: idle at every size, the fewest gaps at every size, and all gaps at the largest."""
    idle: list[dict[str, Any]] = []
    cycles: list[dict[str, Any]] = []
    calls: dict[str, Counter[str]] = {}
    for rows in sizes:
        world = settled_world(rows)
        idle.append(_idle(world, rows, calls.setdefault(f"{rows:,} rows, idle", Counter())))
        for waiting in sorted(gaps) if rows == max(sizes) else [min(gaps)]:
            name = f"{rows:,} rows, {waiting:,} gaps"
            cycles.append(_repaired(world, rows, waiting, calls.setdefault(name, Counter())))
        gc.unfreeze()
    methods = sorted({method for each in calls.values() for method in each})
    by_method = [
        {"request": method} | {name: count[method] for name, count in calls.items()} for method in methods
    ]
    return [
        Table(title="In memory: an idle cycle", rows=idle),
        Table(title="In memory: gaps", rows=cycles),
        Table(title="In memory: requests of one cycle", rows=by_method),
    ]


def settled_world(rows: int) -> FakePlatform:
    """Return a world of so many settled rows."""
    world = a_fake_platform()
    patterns = {tenant: a_row(1, tenant_id=tenant, status=Status.ENRICHED) for tenant in TENANTS}
    for tenant in TENANTS:
        world.control.register_tenant(tenant, now=START)
    for number in range(rows):
        key = _key(number)
        world.images.add(replace(patterns[key.tenant_id], key=key))
    for key in map(_key, range(max(0, rows - RECENT), rows)):
        world.objects.add(world.names.uploads_bucket(key.tenant_id), original_key(key.image_id, "a.jpg"), b"")
    world.clock.advance(minutes=5)
    _settle(world)
    return world


def _settle(world: FakePlatform) -> None:
    """Let indexes catch up with what was loaded, and the garbage collector leave it alone."""
    reconcile_world(world.platform(), dry_run=True)
    gc.collect()
    gc.freeze()


def _key(number: int) -> ImageKey:
    return a_key(number, tenant_id=TENANTS[number % len(TENANTS)])


def _idle(world: FakePlatform, rows: int, calls: Counter[str]) -> dict[str, Any]:
    meter = Meter()
    platform = meter.platform(world.platform())
    spent_ms: list[float] = []
    totals: list[int] = []
    for _ in range(IDLE_CYCLES):
        world.clock.advance(minutes=1)
        world.calls.clear()
        with meter.own_cpu() as own_s:
            reconcile_world(platform)
        spent_ms.append(own_s() * 1e3)
        totals.append(len(world.calls.names))
    calls.update(world.calls.names)
    return {
        "rows": rows,
        "own CPU, median ms": median(spent_ms),
        "own CPU, most ms": max(spent_ms),
        "requests, median": median(totals),
        "requests, most": max(totals),
    }


def _repaired(world: FakePlatform, rows: int, gaps: int, calls: Counter[str]) -> dict[str, Any]:
    """Put gaps and repair them, cycle by cycle; the first one is taken apart."""
    world.images.add(*(a_row(at, tenant_id=_key(at).tenant_id) for at in range(GAPS_FROM, GAPS_FROM + gaps)))
    world.clock.advance(minutes=2)
    _settle(world)
    meter = Meter()
    platform = meter.platform(world.platform())
    peak_mib = _peak_mib(platform)
    world.calls.clear()
    steps_ms, jobs = _taken_apart(platform, meter)
    calls.update(world.calls.names)
    sent, spent_ms, cycles, last = jobs, sum(steps_ms.values()), 1, jobs
    while last:
        world.clock.advance(minutes=1)
        with meter.own_cpu() as own_s:
            last = _jobs(reconcile_world(platform).actions)
        if last:
            sent, spent_ms, cycles = sent + last, spent_ms + own_s() * 1e3, cycles + 1
    return {
        "rows": rows,
        "gaps": gaps,
        "jobs of one cycle": jobs,
        **{f"{name} ms": spent for name, spent in steps_ms.items()},
        "observed and planned, jobs/s": jobs / (steps_ms["observe"] + steps_ms["plan"]) * 1e3,
        "reads": sum(count for name, count in calls.items() if name not in WRITES),
        "peak MiB": peak_mib,
        "cycles for all": cycles,
        "own CPU for all, s": spent_ms / 1e3,
        "jobs/s for all": sent / spent_ms * 1e3,
    }


def _taken_apart(platform: Platform, meter: Meter) -> tuple[dict[str, float], int]:
    """Run one cycle step by step, as `reconcile_world` does but for its heartbeat.

    Returns:
        Own CPU of each step in ms, and how many jobs were sent.
    """
    now, limits = platform.clock(), platform.limits
    with meter.own_cpu() as observe_s:
        snapshot = observe_world(platform)
    with meter.own_cpu() as plan_s:
        actions = plan(snapshot, limits=limits, capacity=platform.capacity, now=now)
    with meter.own_cpu() as apply_s:
        apply(platform, actions, deadline=now + limits.cycle_time)
    steps = (("observe", observe_s()), ("plan", plan_s()), ("apply", apply_s()))
    return {name: seconds * 1e3 for name, seconds in steps}, _jobs(actions)


def _peak_mib(platform: Platform) -> float:
    """Return the most memory that observing and planning hold at once, beyond what was there before."""
    tracemalloc.start()
    try:
        reconcile_world(platform, dry_run=True)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def _jobs(actions: Sequence[Action]) -> int:
    return sum(isinstance(each, EmitIntent) for each in actions)
