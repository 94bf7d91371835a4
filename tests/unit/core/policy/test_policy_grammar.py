"""The language of rules: what it says, and that it says nothing else."""

import pytest

from parjanya_dagster.core.policy.expression import Arithmetic, Comparison, Fact, Literal, Logic, Not
from parjanya_dagster.core.policy.grammar import MAX_NESTING, MAX_TOKENS, RuleSyntaxError, parse_expression


def test_and_binds_tighter_than_or_and_not_tighter_than_both() -> None:
    """Precedence is SQL's, so that a rule means here what it means in a query."""
    tree = parse_expression("a or not b and c")

    assert isinstance(tree, Logic)
    assert tree.operator == "OR"
    assert isinstance(tree.right, Logic)
    assert tree.right.operator == "AND"
    assert isinstance(tree.right.left, Not)


def test_product_binds_tighter_than_sum_and_sums_group_to_the_left() -> None:
    """10 - 2 * 3 - 1 is (10 - (2 * 3)) - 1."""
    tree = parse_expression("10 - 2 * 3 - 1 = x")

    assert isinstance(tree, Comparison)
    assert isinstance(tree.left, Arithmetic)
    assert isinstance(tree.left.left, Arithmetic)
    assert isinstance(tree.left.left.right, Arithmetic)
    assert tree.left.left.right.operator == "*"


def test_quote_inside_a_text_is_written_twice() -> None:
    """SQL's escape is the only one."""
    assert parse_expression("'it''s'") == Literal(at=0, value="it's")


def test_sign_of_a_number_is_part_of_it() -> None:
    """Negative numbers may stand in lists, where only literals may."""
    tree = parse_expression("x IN (-1, +2)".replace("+", ""))

    assert [option.value for option in tree.options] == [-1.0, 2.0]  # type: ignore[union-attr] # it is an In


def test_sign_of_a_fact_is_a_subtraction_from_zero() -> None:
    """There is no unary minus for the compiler to know."""
    tree = parse_expression("-x")

    assert isinstance(tree, Arithmetic)
    assert isinstance(tree.right, Fact)


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("", 0, "expected a fact"),
        ("x <", 3, "found the end"),
        ("x < 1 y", 6, "expected AND, OR or the end, found 'y'"),
        ("x == 1", 3, "found '='"),
        ("x NOT 1", 6, "expected BETWEEN or IN"),
        ("x IS 1", 5, "expected 'NULL'"),
        ("x BETWEEN 1 OR 2", 12, "expected 'AND'"),
        ("x IN ()", 6, "expected a fact"),
        ("x IN (y)", 6, "the list of IN holds only"),
        ("(x", 2, "expected ')'"),
        ("x = 'open", 4, "not closed"),
        ('"x" = 1', 0, "single quotes"),
        ("x = 1; DROP", 5, "';' can't be read"),
        ("x = 1e999", 4, "too large"),
        ("1x = 1", 0, "'1x' can't be read"),
        ("read_csv('/etc/passwd') = 1", 0, "is a function"),
        ("COALESCE(x) = 1", 10, "expected ','"),
        ("x = NULL", 4, "expected a fact"),
    ],
)
def test_expression_outside_the_language_is_refused_with_its_place(text: str, at: int, message: str) -> None:
    """Whoever wrote the rule sees where it went wrong; nothing outside the subset gets through."""
    with pytest.raises(RuleSyntaxError) as caught:
        parse_expression(text)

    assert caught.value.at == at
    assert message in caught.value.message


@pytest.mark.parametrize("opening", ["(", "NOT ", "- ", "COALESCE("])
def test_deep_nesting_is_refused_before_it_can_exhaust_the_stack(opening: str) -> None:
    """A hostile document gets an error, not a RecursionError in the worker."""
    with pytest.raises(RuleSyntaxError, match="nested deeper"):
        parse_expression(opening * (MAX_NESTING + 1) + "x")


def test_longest_expression_is_read_and_a_longer_one_refused() -> None:
    """The limit is on words, so it can't be met by cutting blanks."""
    longest = " OR ".join(["x"] * (MAX_TOKENS // 2))

    parse_expression(longest)
    with pytest.raises(RuleSyntaxError, match="split it"):
        parse_expression(longest + " OR x")
