"""Coverage: which transitions and actions there are, so that a report can name those never reached."""

from enum import StrEnum
from typing import Any, get_args, get_type_hints

from parjanya_dagster.core.reconcile.actions import Action
from parjanya_dagster.core.truth.lifecycle import TRANSITIONS
from parjanya_dagster.simulation.invariants import transition_name

_REASONS = ("reason", "ruling")


def every_transition() -> frozenset[str]:
    """Return the name of each transition that the lifecycle allows."""
    return frozenset(transition_name(status, event) for status, event in TRANSITIONS)


def every_action() -> frozenset[str]:
    """Return the name of each action that reconciliation knows, with its reason where reasons are few."""
    return frozenset(name for kind in get_args(Action) for name in _names_of(kind))


def action_name(action: object) -> str:
    """Return the name of one action, as `every_action` has it."""
    for field in _REASONS:
        reason = getattr(action, field, None)
        if isinstance(reason, StrEnum):
            return f"{type(action).__name__}:{reason.value}"
    return type(action).__name__


def _names_of(kind: type[Any]) -> list[str]:
    hints = get_type_hints(kind)
    for field in _REASONS:
        reasons = hints.get(field)
        if isinstance(reasons, type) and issubclass(reasons, StrEnum):
            return [f"{kind.__name__}:{reason.value}" for reason in reasons]
    return [kind.__name__]
