"""The language of rules: a strict subset of SQL's boolean expressions, as a syntax tree.

It has comparisons, AND/OR/NOT, BETWEEN, IN, IS NULL, arithmetic, COALESCE, literals and fact names, and
nothing else: a rule can't read a file, call a function or grow without bound, because the language has
no words for it. SQL's own parser would have to be told what to refuse; this one knows only what to allow.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Final, NoReturn

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

MAX_TOKENS: Final = 400
MAX_NESTING: Final = 24

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![A-Za-z_.])"
    r"|(?P<text>'(?:[^']|'')*')"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<symbol><=|>=|<>|!=|[-+*/(),=<>])",
)
_KEYWORDS = frozenset(["AND", "OR", "NOT", "BETWEEN", "IN", "IS", "NULL", "TRUE", "FALSE", "COALESCE"])
_COMPARISONS = ("=", "<>", "!=", "<=", ">=", "<", ">")


class RuleSyntaxError(ValueError):
    """An expression outside the language.

    Args:
        message: what is wrong and what would be right.
        at: where, as a 0-based offset into the expression.
    """

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    kind: str
    word: str
    at: int


def parse_expression(text: str) -> Node:
    """Return the syntax tree of one boolean expression.

    Raises:
        RuleSyntaxError: `text` is outside the language, or larger than a rule should be.
    """
    return _Parser(_tokens_of(text)).parse()


def _tokens_of(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise RuleSyntaxError(_unreadable(text[at:]), at)
        kind, word = str(match.lastgroup), match.group()
        if kind == "word" and word.upper() in _KEYWORDS:
            kind, word = "keyword", word.upper()
        if kind != "space":
            tokens.append(_Token(kind=kind, word=word, at=at))
        at = match.end()
    if len(tokens) > MAX_TOKENS:
        raise RuleSyntaxError(f"the rule has {len(tokens)} words, at most {MAX_TOKENS} fit: split it", 0)
    return [*tokens, _Token(kind="end", word="the end", at=len(text))]


def _unreadable(rest: str) -> str:
    if rest[0] == "'":
        return "a text is not closed by '"
    if rest[0] == '"':
        return "texts are written in 'single quotes' and fact names without quotes"
    return f"'{rest.split(maxsplit=1)[0][:20]}' can't be read here"


class _Parser:
    """Recursive descent, loosest binding first: OR, AND, NOT, comparison, sum, product, sign, operand."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._nesting = 0

    def parse(self) -> Node:
        tree = self._or()
        if self._peek.kind != "end":
            self._refuse("AND, OR or the end")
        return tree

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *words: str) -> _Token | None:
        token = self._peek
        if token.kind not in ("keyword", "symbol") or token.word not in words:
            return None
        self._next += 1
        return token

    def _demand(self, word: str) -> None:
        if self._take(word) is None:
            self._refuse(f"'{word}'")

    def _refuse(self, expected: str) -> NoReturn:
        token = self._peek
        found = token.word if token.kind == "end" else f"'{token.word}'"
        raise RuleSyntaxError(f"expected {expected}, found {found}", token.at)

    def _nested(self, rule: Callable[[], Node]) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise RuleSyntaxError(f"nested deeper than {MAX_NESTING} levels: split the rule", self._peek.at)
        tree = rule()
        self._nesting -= 1
        return tree

    def _or(self) -> Node:
        tree = self._and()
        while token := self._take("OR"):
            tree = Logic(at=token.at, operator="OR", left=tree, right=self._and())
        return tree

    def _and(self) -> Node:
        tree = self._not()
        while token := self._take("AND"):
            tree = Logic(at=token.at, operator="AND", left=tree, right=self._not())
        return tree

    def _not(self) -> Node:
        if token := self._take("NOT"):
            return Not(at=token.at, operand=self._nested(self._not))
        return self._comparison()

    def _comparison(self) -> Node:
        left = self._sum()
        if token := self._take(*_COMPARISONS):
            operator = "<>" if token.word == "!=" else token.word
            return Comparison(at=token.at, operator=operator, left=left, right=self._sum())
        if token := self._take("IS"):
            negation = self._take("NOT")
            self._demand("NULL")
            return _negated(IsNull(at=token.at, value=left), negation)
        negation = self._take("NOT")
        if token := self._take("BETWEEN"):
            low = self._sum()
            self._demand("AND")
            return _negated(Between(at=token.at, value=left, low=low, high=self._sum()), negation)
        if token := self._take("IN"):
            return _negated(In(at=token.at, value=left, options=self._options()), negation)
        if negation:
            self._refuse("BETWEEN or IN")
        return left

    def _options(self) -> tuple[Literal, ...]:
        self._demand("(")
        options = [self._literal()]
        while self._take(","):
            options.append(self._literal())
        self._demand(")")
        return tuple(options)

    def _literal(self) -> Literal:
        tree = self._sign()
        if not isinstance(tree, Literal):
            raise RuleSyntaxError("the list of IN holds only numbers, 'texts', TRUE and FALSE", tree.at)
        return tree

    def _sum(self) -> Node:
        tree = self._product()
        while token := self._take("+", "-"):
            tree = Arithmetic(at=token.at, operator=token.word, left=tree, right=self._product())
        return tree

    def _product(self) -> Node:
        tree = self._sign()
        while token := self._take("*", "/"):
            tree = Arithmetic(at=token.at, operator=token.word, left=tree, right=self._sign())
        return tree

    def _sign(self) -> Node:
        token = self._take("-")
        if token is None:
            return self._operand()
        operand = self._nested(self._sign)
        if isinstance(operand, Literal) and isinstance(operand.value, float):
            return Literal(at=token.at, value=-operand.value)
        return Arithmetic(at=token.at, operator="-", left=Literal(at=token.at, value=0.0), right=operand)

    def _operand(self) -> Node:
        token = self._peek
        if self._take("("):
            tree = self._nested(self._or)
            self._demand(")")
            return tree
        if self._take("TRUE", "FALSE"):
            return Literal(at=token.at, value=token.word == "TRUE")
        if self._take("COALESCE"):
            return self._coalesce(token)
        if token.kind not in ("word", "number", "text"):
            self._refuse("a fact, a number, a 'text' or '('")
        self._next += 1
        if token.kind == "number":
            return _number(token)
        if token.kind == "text":
            return Literal(at=token.at, value=token.word[1:-1].replace("''", "'"))
        if self._take("("):
            raise RuleSyntaxError(f"'{token.word}' is a function; COALESCE is the only one", token.at)
        return Fact(at=token.at, name=token.word)

    def _coalesce(self, token: _Token) -> Node:
        self._demand("(")
        operands = [self._nested(self._or)]
        self._demand(",")
        operands.append(self._nested(self._or))
        while self._take(","):
            operands.append(self._nested(self._or))
        self._demand(")")
        return Coalesce(at=token.at, operands=tuple(operands))


def _negated(node: Node, negation: _Token | None) -> Node:
    return node if negation is None else Not(at=node.at, operand=node)


def _number(token: _Token) -> Literal:
    value = float(token.word)
    if not isfinite(value):
        raise RuleSyntaxError(f"{token.word} is too large a number", token.at)
    return Literal(at=token.at, value=value)
