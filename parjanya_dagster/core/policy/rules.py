"""Rules as Polars expressions: one image and a million images are judged by the same expression.

A rule that was checked compiles without fail, and its expression is SQL's three-valued logic: true,
false, or NULL where a fact it needs is absent. What SQL makes an error and Polars an infinity, a division
by zero, is NULL too, so that no rule fires on a number that nobody measured.
"""

from collections.abc import Mapping
from typing import assert_never

import polars as pl

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
from parjanya_dagster.core.policy.grammar import parse_expression

DTYPES: Mapping[Kind, pl.DataType] = {
    Kind.NUMBER: pl.Float64(),
    Kind.TEXT: pl.String(),
    Kind.TRUTH: pl.Boolean(),
}
"""Column type of each kind of fact."""


def compile_rule(when: str) -> pl.Expr:
    """Return the Boolean expression of a rule that a loaded policy contains.

    Raises:
        RuleSyntaxError: `when` never passed `load_policy`.
    """
    return _compiled(parse_expression(when))


def clean_fact(name: str, fact_type: FactType, *, is_present: bool) -> pl.Expr:
    """Return the column of one fact as rules may read it.

    An absent column and a number that is not finite are NULL: NaN would compare greater than everything.

    Args:
        is_present: the frame has the column.
    """
    dtype = DTYPES[fact_type.kind]
    if not is_present:
        return pl.lit(None, dtype=dtype).alias(name)
    column = pl.col(name).cast(dtype)
    if fact_type.kind is Kind.NUMBER:
        column = pl.when(column.is_finite()).then(column)
    return column.alias(name)


def _compiled(tree: Node) -> pl.Expr:
    match tree:
        case Literal():
            return pl.lit(tree.value)
        case Fact():
            return pl.col(tree.name)
        case Arithmetic():
            return _arithmetic(tree.operator, _compiled(tree.left), _compiled(tree.right))
        case Coalesce():
            return pl.coalesce([_compiled(operand) for operand in tree.operands])
        case _:
            return _truth(tree)


def _truth(tree: Not | Logic | Comparison | Between | In | IsNull) -> pl.Expr:
    match tree:
        case Not():
            return ~_compiled(tree.operand)
        case Logic():
            left, right = _compiled(tree.left), _compiled(tree.right)
            return left & right if tree.operator == "AND" else left | right
        case Comparison():
            return _comparison(tree.operator, _compiled(tree.left), _compiled(tree.right))
        case Between():
            return _compiled(tree.value).is_between(_compiled(tree.low), _compiled(tree.high))
        case In():
            return _compiled(tree.value).is_in([option.value for option in tree.options])
        case IsNull():
            return _compiled(tree.value).is_null()
        case _:
            assert_never(tree)


def _arithmetic(operator: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    match operator:
        case "+":
            value = left + right
        case "-":
            value = left - right
        case "*":
            value = left * right
        case _:
            value = left / right
    return pl.when(value.is_finite()).then(value)


def _comparison(operator: str, left: pl.Expr, right: pl.Expr) -> pl.Expr:
    match operator:
        case "=":
            return left == right
        case "<>":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right
