"""Replaying rows: previewed first, then carried out row by row, exactly the list that was previewed.

Each row is one conditional update, so it may end anywhere: what was done is done, the rest is untouched, and
the same plan goes on where it ended.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from parjanya_dagster.control.capacity import observe_capacity
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.redecision import Redecision, redecisions
from parjanya_dagster.control.selection import batches, selected_rows
from parjanya_dagster.control.sources import is_at_home
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import USUAL_FLEET
from parjanya_dagster.core.policy.preview import Price, Tariff, price_of
from parjanya_dagster.core.reconcile.replay import Boundary, Refusal, decided_again, refusal, replayed
from parjanya_dagster.core.reconcile.replay_plan import (
    Entry,
    ReplayPlan,
    Selection,
    moved_since,
    planned,
    slices,
)
from parjanya_dagster.core.reconcile.wording import SAMPLES
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status

_AT_ONCE: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a plan will touch, and what it leaves alone.

    Args:
        by_reason: the code of the last failure, or the verdict in force.
        verdicts: `before -> after`, where the rules alone decide again.
        left_out: selected rows that the plan does not touch, by reason.
        samples: images of the plan, at most 5.
        price: of what is asked again.
    """

    plan: ReplayPlan
    by_tenant: Counter[str]
    by_status: Counter[str]
    by_reason: Counter[str]
    verdicts: Counter[str]
    left_out: Counter[Refusal]
    samples: tuple[ImageKey, ...]
    price: Price


@dataclass(slots=True)
class Done:
    """What came of a plan so far; told while it goes on, so that an interrupted one can say it too.

    Args:
        skipped: rows that were left alone after all, and why.
        was_stopped: somebody asked it to stop; what is neither moved nor skipped is untouched.
    """

    moved: int = 0
    skipped: dict[ImageKey, Refusal] = field(default_factory=dict)
    was_stopped: bool = False

    def counts(self) -> dict[str, int]:
        """Return the numbers for the audit trail."""
        reasons = Counter(f"skipped_{reason}" for reason in self.skipped.values())
        return {"replayed": self.moved, **reasons}


def always() -> bool:
    """Return True: the default of conditions under which a plan goes on."""
    return True


def tariff_of(platform: Platform, *, usd_per_hour: float | None = None, fleet: str | None = None) -> Tariff:
    """Return what the GPU costs, as fast as drains were lately.

    Args:
        usd_per_hour: of one instance, if not the price in the settings.
        fleet: the extra fleet that is asked.
    """
    platform = platform.of_fleet(fleet)
    seen = observe_capacity(platform, platform.fleet.size(), whole=False)
    learned = seen.learned(platform.capacity, is_warm=True)
    price = platform.capacity.usd_per_instance_hour if usd_per_hour is None else usd_per_hour
    return Tariff(seconds_per_image=1 / learned.images_per_s, usd_per_hour=price)


def preview_replay(
    platform: Platform,
    selection: Selection,
    boundary: Boundary,
    *,
    tariff: Tariff,
    lane: Lane = Lane.REGRADE,
    fleet: str | None = None,
    limit: int | None = None,
) -> Preview:
    """Return what a replay of the selected rows would touch; changes nothing.

    Args:
        fleet: the fleet that scores them from now on, `default` for the usual one; None leaves that as it is.
        limit: at most so many rows, a tenant's newest first.

    Raises:
        InvalidRequestError: nothing was said about which images, a tenant is not registered, or there is no
            such fleet.
        ConfigError: nothing is to be asked, and no policy is published to decide by.
    """
    if selection.is_everything:
        raise InvalidRequestError(
            "say which images: by id, tenant, status, failure, policy version, fingerprint, verdict or time"
        )
    _check_fleet(platform, fleet, boundary)
    left_out: Counter[Refusal] = Counter()
    rows: list[ImageRow] = []
    seen = 0
    for seen, row in enumerate(selected_rows(platform, selection), start=1):  # noqa: B007 - read after the loop
        because = refusal(row, boundary)
        if because is not None:
            left_out[because] += 1
        elif limit is None or len(rows) < limit:
            rows.append(row)
        else:
            break
    else:
        left_out[Refusal.MISSING] += max(0, len(set(selection.keys)) - seen)
    verdicts: Counter[str] = Counter()
    if not boundary.asks:
        rows = list(_decidable(platform, rows, left_out, verdicts))
    plan = planned("replay", rows, boundary, lane=lane, now=platform.clock(), fleet=fleet)
    return described(plan, rows, tariff=tariff, left_out=left_out, verdicts=verdicts)


def described(
    plan: ReplayPlan,
    rows: Sequence[ImageRow],
    *,
    tariff: Tariff,
    left_out: Counter[Refusal],
    verdicts: Counter[str] | None = None,
) -> Preview:
    """Return the preview of a plan for these rows."""
    return Preview(
        plan=plan,
        by_tenant=Counter(row.key.tenant_id for row in rows),
        by_status=Counter(row.status.value for row in rows),
        by_reason=Counter(_reason(row) for row in rows),
        verdicts=verdicts or Counter(),
        left_out=+left_out,
        samples=tuple(row.key for row in rows[:SAMPLES]),
        price=price_of(len(rows) if plan.boundary.asks else 0, tariff),
    )


def carry_out(
    platform: Platform,
    plan: ReplayPlan,
    *,
    done: Done,
    may_go_on: Callable[[], bool] = always,
    at_once: int = _AT_ONCE,
) -> Iterator[Sequence[Entry]]:
    """Move the rows of a plan; yield the entries that were dealt with, some at a time, in their order.

    Args:
        done: is told of each row as soon as it is dealt with.
        may_go_on: asked before each row that is to be moved; may wait. False ends it there.
        at_once: rows that are read together, before they are moved one by one.

    Raises:
        EdgeError: Truth did not answer; what was done is done.
        ConfigError: nothing is to be asked, and no policy is published to decide by.
        InvalidRequestError: its fleet is not there any more.
    """
    _check_fleet(platform, plan.fleet, plan.boundary)
    for entries in slices(plan.entries, at_once):
        rows = {row.key: row for row in platform.images.get_many([entry.key for entry in entries])}
        standing = {entry.key: moved_since(entry, rows.get(entry.key), plan.boundary) for entry in entries}
        untouched = [rows[key] for key, because in standing.items() if because is None]
        again = {} if plan.boundary.asks else redecisions(platform, untouched)
        for at, entry in enumerate(entries):
            because = standing[entry.key]
            if because is None and not may_go_on():
                done.was_stopped = True
                yield entries[:at]
                return
            because = because or _move(platform, rows[entry.key], plan, again.get(entry.key))
            if because is None:
                done.moved += 1
            else:
                done.skipped[entry.key] = because
        yield entries


def _move(
    platform: Platform, row: ImageRow, plan: ReplayPlan, again: Redecision | Refusal | None
) -> Refusal | None:
    """Move one row; return why it was left alone after all, or None."""
    if isinstance(again, Refusal):
        return again
    now = platform.clock()
    if again is not None:
        head, result = decided_again(row, again.result, again.decision, now=now)
        platform.images.put_result(row.key, result)
        return None if platform.images.write(row, head) else Refusal.CHANGED
    because = _unconfirmed(platform, row)
    if because is not None:
        return because
    after = replayed(row, plan.boundary, lane=plan.lane, now=now, fleet=plan.fleet)
    return None if platform.images.write(row, after) else Refusal.CHANGED


def _check_fleet(platform: Platform, fleet: str | None, boundary: Boundary) -> None:
    there = (USUAL_FLEET, *platform.others)
    if fleet is not None and fleet not in there:
        raise InvalidRequestError(
            f"there is no fleet '{fleet}': there is {', '.join(there)}. PARJANYA_FLEETS names the extra ones"
        )
    if fleet is not None and not boundary.asks:
        raise InvalidRequestError("--boundary none asks nothing, so that no fleet is needed: leave it out")


def _unconfirmed(platform: Platform, row: ImageRow) -> Refusal | None:
    """Look for the row's object where a job would: none can be built for one that is not there."""
    original = row.original
    if original is not None and not is_at_home(platform, row):
        return Refusal.FOREIGN_BUCKET
    if original is None or not platform.objects.head(
        original.bucket, original.key, version_id=original.version_id
    ):
        return Refusal.OBJECT_MISSING
    return None


def _decidable(
    platform: Platform, rows: Sequence[ImageRow], left_out: Counter[Refusal], verdicts: Counter[str]
) -> Iterator[ImageRow]:
    for batch in batches(rows):
        again = redecisions(platform, batch)
        for row in batch:
            found = again[row.key]
            if isinstance(found, Refusal):
                left_out[found] += 1
                continue
            before = row.decision.verdict.value if row.decision else "none"
            verdicts[f"{before} -> {found.decision.verdict}"] += 1
            yield row


def _reason(row: ImageRow) -> str:
    if row.status is Status.ENRICHED:
        return str(row.decision.verdict) if row.decision else "undecided"
    return (row.last_error or "unknown").partition(":")[0]
