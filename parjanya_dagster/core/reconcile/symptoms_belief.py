"""Symptoms of Belief and of the control plane: can it see, and does it look?"""

from collections.abc import Sequence
from datetime import datetime

from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.reconcile.evidence import HEADLESS, PLANES, Evidence, Patience, value_of
from parjanya_dagster.core.reconcile.findings import Finding, Kind
from parjanya_dagster.core.reconcile.wording import counted, facts, lasting

_RESTART = {
    "lambda": (
        "lambda: enable its one-minute schedule and check that the function `on-schedule` exists (`python "
        "-m infra.deploy` puts both back; on a laptop `parjanya up`)"
    ),
    "dagster": (
        "dagster: start its daemon (on a laptop `parjanya up`) and switch the sensor `intent_gap` on; its "
        "ticks show what failed"
    ),
}


def blind(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """Something could not be read: neither zero nor empty, and nothing follows from it (incident 7)."""
    del patience
    unread = evidence.blind
    return blindness(unread, _last_seen(evidence, now)) if unread else None


def blindness(unread: Sequence[Blind], *context: str) -> Finding:
    """Return the finding of signals that could not be read.

    Args:
        unread: at least one.
        context: more facts, if any.
    """
    names = ", ".join(signal.signal for signal in unread)
    return Finding(
        kind=Kind.BLIND,
        summary=f"{counted(len(unread), 'signal')} cannot be read ({names}): that is not zero, it is unknown",
        evidence=facts(*(f"{signal.signal}: {signal.reason}" for signal in unread), *context),
        since=None,
        fix=(
            "give the caller back the permission that the reason names; where nothing answers, see that "
            "the endpoint is up (`parjanya status`, on a laptop `parjanya up`). Until then nothing is "
            "scaled in, and what rests on these values is not diagnosed"
        ),
    )


def nobody_looks(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """No plane completes cycles any more (incident 9)."""
    silent, expected = _silent(evidence, patience, now)
    return _stopped(Kind.NOBODY_LOOKS, evidence, silent, now) if silent and silent == expected else None


def plane_silent(evidence: Evidence, patience: Patience, now: datetime) -> Finding | None:
    """One plane stopped; the other's heartbeat does not make up for it (incident 9)."""
    silent, expected = _silent(evidence, patience, now)
    return _stopped(Kind.PLANE_SILENT, evidence, silent, now) if silent and silent != expected else None


def _stopped(kind: Kind, evidence: Evidence, silent: list[str], now: datetime) -> Finding:
    beats = value_of(evidence.heartbeats) or {}
    last = max((beats[plane] for plane in silent if plane in beats), default=None)
    who = (
        "no control plane completes cycles" if kind is Kind.NOBODY_LOOKS else f"plane {silent[0]} has stopped"
    )
    how_long = f"the last cycle ended {lasting(now - last)} ago" if last else "it never completed a cycle"
    return Finding(
        kind=kind,
        summary=f"{who}: {how_long}, and what it would repair stays as it is",
        evidence=facts(*(_beat(plane, beats.get(plane), now) for plane in PLANES)),
        since=last,
        fix="; ".join(_RESTART[plane] for plane in silent),
    )


def _silent(evidence: Evidence, patience: Patience, now: datetime) -> tuple[list[str], list[str]]:
    """Return the planes that stopped, and those that should look.

    The platform runs without Dagster too: beside a Lambda plane that ever looked, a Dagster plane that never
    did was left out on purpose.
    """
    beats = value_of(evidence.heartbeats)
    if beats is None:
        return [], []
    expected = [plane for plane in PLANES if plane in beats or plane == HEADLESS or not beats]
    before = now - patience.heartbeat
    rows = value_of(evidence.rows)
    known = [*rows.gaps, *rows.outstanding, *rows.newest] if rows else []
    # A plane that never beat has stopped only if there was something to look after for long enough.
    has_history = any(row.entered_at < before for row in known)
    silent = [plane for plane in expected if (beats[plane] < before if plane in beats else has_history)]
    return silent, expected


def _last_seen(evidence: Evidence, now: datetime) -> str:
    beats = value_of(evidence.heartbeats) or {}
    seen = ", ".join(f"{plane} {lasting(now - beats[plane])} ago" for plane in sorted(beats))
    return f"last cycles that could read: {seen}" if seen else ""


def _beat(plane: str, at: datetime | None, now: datetime) -> str:
    return f"{plane}: last heartbeat {lasting(now - at)} ago" if at else f"{plane}: no heartbeat, ever"
