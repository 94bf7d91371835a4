"""The type check of a rule: every name known, every operator given what it takes.

It runs when a policy is written, so that a rule can't fail when an image is judged: what passes here
compiles, and what compiles always yields true, false or NULL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import assert_never

from parjanya_dagster.core.policy.expression import (
    Arithmetic,
    Between,
    Coalesce,
    Comparison,
    Fact,
    In,
    IsNull,
    Literal,
    Logic,
    Node,
    Not,
)
from parjanya_dagster.core.policy.facts import FactType, Kind

_ORDERED = ("<", "<=", ">", ">=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One thing wrong with an expression, at a 0-based offset."""

    message: str
    at: int


def complaints_about(tree: Node, types: Mapping[str, FactType]) -> tuple[Complaint, ...]:
    """Return everything wrong with a rule's expression, in reading order; empty when it may be compiled."""
    check = _Check(types)
    check.demand(Kind.TRUTH, "a rule", tree)
    return tuple(sorted(check.complaints, key=lambda complaint: complaint.at))


def facts_in(tree: Node) -> frozenset[str]:
    """Return the names of the facts that an expression reads."""
    own = {tree.name} if isinstance(tree, Fact) else set()
    return frozenset(own.union(*(facts_in(part) for part in tree.parts)))


class _Check:
    """Infers kinds from the leaves up; a kind of None means already complained about."""

    def __init__(self, types: Mapping[str, FactType]) -> None:
        self._types = types
        self.complaints: list[Complaint] = []

    def demand(self, kind: Kind, who: str, *parts: Node) -> None:
        for part in parts:
            found = self._kind(part)
            if found not in (kind, None):
                self._complain(f"{who} takes a {kind}, this is a {found}", part)

    def _complain(self, message: str, tree: Node) -> None:
        self.complaints.append(Complaint(message=message, at=tree.at))

    def _kind(self, tree: Node) -> Kind | None:
        match tree:
            case Literal():
                return _kind_of_literal(tree)
            case Fact():
                return self._kind_of_fact(tree)
            case Coalesce():
                return self._alike(tree)
            case Arithmetic():
                self.demand(Kind.NUMBER, f"'{tree.operator}'", *tree.parts)
                return Kind.NUMBER
            case _:
                self._check_truth(tree)
                return Kind.TRUTH

    def _check_truth(self, tree: Not | Logic | Comparison | Between | In | IsNull) -> None:
        match tree:
            case Not():
                self.demand(Kind.TRUTH, "NOT", *tree.parts)
            case Logic():
                self.demand(Kind.TRUTH, tree.operator, *tree.parts)
            case Between():
                self.demand(Kind.NUMBER, "BETWEEN", *tree.parts)
            case Comparison() if tree.operator in _ORDERED:
                self.demand(Kind.NUMBER, f"'{tree.operator}'", *tree.parts)
            case Comparison() | In():
                self._alike(tree)
            case IsNull():
                self._kind(tree.value)
            case _:
                assert_never(tree)

    def _kind_of_fact(self, fact: Fact) -> Kind | None:
        known = self._types.get(fact.name)
        if known is not None:
            return known.kind
        self._complain(f"unknown fact '{fact.name}'{_nearest(fact.name, self._types)}", fact)
        return None

    def _alike(self, tree: Comparison | In | Coalesce) -> Kind | None:
        first, *others = tree.parts
        kind = self._kind(first)
        for other in others:
            found = self._kind(other)
            if None not in (kind, found) and found != kind:
                self._complain(f"a {kind} and a {found} have nothing in common", other)
        self._check_texts(tree.parts)
        return kind

    def _check_texts(self, parts: Sequence[Node]) -> None:
        """A text that a fact can never hold is a slip of the pen, not a rule."""
        facts = [
            self._types[part.name] for part in parts if isinstance(part, Fact) and part.name in self._types
        ]
        possible = [fact.values for fact in facts if fact.values is not None]
        if len(possible) != 1:
            return
        for part in parts:
            if isinstance(part, Literal) and isinstance(part.value, str) and part.value not in possible[0]:
                hint = _nearest(part.value, possible[0]) or f"; it holds one of {', '.join(possible[0])}"
                self._complain(f"the fact never holds '{part.value}'{hint}", part)


def _kind_of_literal(literal: Literal) -> Kind:
    if isinstance(literal.value, bool):
        return Kind.TRUTH
    return Kind.TEXT if isinstance(literal.value, str) else Kind.NUMBER


def _nearest(word: str, known: Mapping[str, FactType] | Sequence[str]) -> str:
    nearest = get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f", did you mean '{nearest[0]}'?" if nearest else ""
