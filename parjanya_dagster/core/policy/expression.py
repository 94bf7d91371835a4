"""The syntax tree of a rule's expression: what a rule can say.

It is a closed union, so that whoever reads it (the type check, the compiler) must treat every case.
`at` is always the node's 0-based offset in the expression, for messages.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact by name."""

    at: int
    name: str

    @property
    def parts(self) -> tuple["Node", ...]:
        """A leaf has no operands."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A number, a text or a truth value written in the rule."""

    at: int
    value: float | str | bool

    @property
    def parts(self) -> tuple["Node", ...]:
        """A leaf has no operands."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """Logical negation."""

    at: int
    operand: "Node"

    @property
    def parts(self) -> tuple["Node", ...]:
        """The operands, in reading order."""
        return (self.operand,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logic:
    """AND or OR of two truth values; `operator` is one of those words."""

    at: int
    operator: str
    left: "Node"
    right: "Node"

    @property
    def parts(self) -> tuple["Node", ...]:
        """The operands, in reading order."""
        return (self.left, self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`operator` is one of =, <>, <, <=, >, >=."""

    at: int
    operator: str
    left: "Node"
    right: "Node"

    @property
    def parts(self) -> tuple["Node", ...]:
        """The operands, in reading order."""
        return (self.left, self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """`operator` is one of +, -, *, /."""

    at: int
    operator: str
    left: "Node"
    right: "Node"

    @property
    def parts(self) -> tuple["Node", ...]:
        """The operands, in reading order."""
        return (self.left, self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """`value BETWEEN low AND high`, both ends included."""

    at: int
    value: "Node"
    low: "Node"
    high: "Node"

    @property
    def parts(self) -> tuple["Node", ...]:
        """The operands, in reading order."""
        return (self.value, self.low, self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class In:
    """`value IN (option, …)`; at least one option."""

    at: int
    value: "Node"
    options: tuple[Literal, ...]

    @property
    def parts(self) -> tuple["Node", ...]:
        """The operands, in reading order."""
        return (self.value, *self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class IsNull:
    """The one question that NULL answers with TRUE."""

    at: int
    value: "Node"

    @property
    def parts(self) -> tuple["Node", ...]:
        """The operands, in reading order."""
        return (self.value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coalesce:
    """The first operand that is not NULL; at least two operands."""

    at: int
    operands: tuple["Node", ...]

    @property
    def parts(self) -> tuple["Node", ...]:
        """The operands, in reading order."""
        return self.operands


Node = Fact | Literal | Not | Logic | Comparison | Arithmetic | Between | In | IsNull | Coalesce
