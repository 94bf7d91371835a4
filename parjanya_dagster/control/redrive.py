"""Redriving what infrastructure failed: dead letters and given-up rows, previewed, and at a steady pace.

A redrive is a replay of everything; what speaks against an image itself is left out unless it is asked for.
The row is moved before its letter is acknowledged, so that a crash in between leaves the letter open.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from parjanya_dagster.control.dead_letters import acknowledge, open_dead_letters
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.replay import Done, Preview, carry_out, described
from parjanya_dagster.control.selection import selected_rows
from parjanya_dagster.core.policy.preview import Tariff
from parjanya_dagster.core.reconcile.dead_letters import UNDELIVERABLE
from parjanya_dagster.core.reconcile.pace import Pace
from parjanya_dagster.core.reconcile.replay import EVERYTHING, Refusal, is_held_back
from parjanya_dagster.core.reconcile.replay_plan import Entry, ReplayPlan, Selection, planned
from parjanya_dagster.core.truth.identity import ImageKey, image_key_from
from parjanya_dagster.core.truth.row import ImageRow, Lane, Status

_NAP_S: Final = 0.5
"""A wait is interrupted so often to ask whether to stop."""
_AT_ONCE: Final = 5
"""Rows after which letters are acknowledged and progress is told: few, since they come slowly."""
_NOT_THE_IMAGE: Final = (UNDELIVERABLE, "object_missing")
"""Codes of failures that say nothing about the image: the queue gave up, or its object was not there."""
_STAYS_OPEN: Final = frozenset({Refusal.OBJECT_MISSING, Refusal.FOREIGN_BUCKET})
"""Rows that still wait for somebody: their letters are not acknowledged."""
_BROKEN: Final = frozenset({Status.VLM_FAILED, Status.PENDING_VLM_ENRICHMENT, Status.PENDING_VALIDATION})


class Throttle:
    """Lets one row pass per token; as long as there is none it sleeps, and asks whether to stop.

    Args:
        may_go_on: False as soon as somebody wants to stop.
    """

    def __init__(
        self,
        per_minute: float,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        may_go_on: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._may_go_on = may_go_on
        self._pace = Pace.starting(per_minute, now=clock())

    def __call__(self) -> bool:
        """Wait for a token and take it; False when somebody wants to stop."""
        self._pace = self._pace.refilled(self._clock())
        while self._may_go_on() and self._pace.wait_s:
            self._sleep(min(self._pace.wait_s, _NAP_S))
            self._pace = self._pace.refilled(self._clock())
        if not self._may_go_on():
            return False
        self._pace = self._pace.taken()
        return True


def preview_redrive(
    platform: Platform,
    selection: Selection,
    *,
    tariff: Tariff,
    include_poison: bool = False,
    lane: Lane = Lane.REGRADE,
    limit: int | None = None,
) -> Preview:
    """Return what a redrive would touch: failed and quarantined rows, and the open dead letters about them.

    Letters whose image went its own way meanwhile are settled with it; nothing is changed now.

    Args:
        include_poison: rows with evidence against the image itself, too.
        limit: at most so many rows.

    Raises:
        InvalidRequestError: a tenant is not registered.
    """
    rows: list[ImageRow] = []
    left_out: Counter[Refusal] = Counter()
    for row in selected_rows(platform, replace(selection, statuses=_BROKEN)):
        if row.status is not Status.VLM_FAILED and not is_held_back(row):
            continue
        if row.status is Status.VLM_FAILED and not include_poison and has_image_evidence(row):
            left_out[Refusal.IMAGE_EVIDENCE] += 1
        elif limit is None or len(rows) < limit:
            rows.append(row)
        else:
            break
    letters = _settled_letters(platform, selection, frozenset(row.key for row in rows))
    plan = planned("redrive", rows, EVERYTHING, lane=lane, now=platform.clock(), letters=letters)
    return described(plan, rows, tariff=tariff, left_out=left_out)


def redrive(
    platform: Platform,
    plan: ReplayPlan,
    *,
    done: Done,
    who: str,
    may_go_on: Callable[[], bool],
) -> Iterator[Sequence[Entry]]:
    """Move the rows of a plan and acknowledge their letters; yield entries that were dealt with, in order.

    Args:
        done: is told of each row as soon as it is dealt with.
        who: acknowledges the letters.
        may_go_on: see `carry_out`; a `Throttle`, or whatever else sets the pace.

    Raises:
        EdgeError: Truth did not answer; what was done is done, and the same plan goes on there.
    """
    letters: dict[ImageKey, list[str]] = {}
    for record_id, key in plan.letters.items():
        letters.setdefault(key, []).append(record_id)
    for key in letters.keys() - {entry.key for entry in plan.entries}:
        _acknowledge(platform, letters[key], who)
    for entries in carry_out(platform, plan, done=done, may_go_on=may_go_on, at_once=_AT_ONCE):
        for entry in entries:
            if done.skipped.get(entry.key) not in _STAYS_OPEN:
                _acknowledge(platform, letters.get(entry.key, ()), who)
        yield entries


def has_image_evidence(row: ImageRow) -> bool:
    """Whether what failed a row speaks against the image itself: asked again, it would end the same."""
    return (row.last_error or "").partition(":")[0] not in _NOT_THE_IMAGE


def _settled_letters(
    platform: Platform, selection: Selection, redriven: frozenset[ImageKey]
) -> dict[str, ImageKey]:
    """Return the open letters that a redrive of these rows settles, and those that nobody waits for."""
    letters = {
        record.record_id: (image_key_from(record.image), record.generation)
        for record in open_dead_letters(platform)
        if record.image is not None
    }
    meant = {key for key, _ in letters.values() if selection.includes(key)}
    rows = {row.key: row for row in platform.images.get_many(sorted(meant))}
    return {
        record_id: key
        for record_id, (key, generation) in letters.items()
        if key in meant and (key in redriven or _went_on(rows.get(key), generation))
    }


def _went_on(row: ImageRow | None, generation: int | None) -> bool:
    """Nobody waits for what the letter asked for: the row is gone, decided, or a later generation."""
    if row is None or row.status in (Status.ENRICHED, Status.ERASED):
        return True
    return generation is not None and row.generation > generation


def _acknowledge(platform: Platform, record_ids: Iterable[str], who: str) -> None:
    for record_id in record_ids:
        acknowledge(platform, record_id, who)
