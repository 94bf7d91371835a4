"""Properties of policies: one by one equals batch, SQL's logic is SQL's, and no text breaks the reader."""

import sqlite3

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from parjanya_dagster.core.policy.decide import compile_policy
from parjanya_dagster.core.policy.document import InvalidPolicyError, load_policy
from parjanya_dagster.core.policy.facts import FactValue
from parjanya_dagster.core.policy.grammar import RuleSyntaxError, parse_expression
from parjanya_dagster.core.truth.row import Verdict
from parjanya_dagster.policies.shipped import shipped_policy
from tests.policy_builders import a_compiled, a_document, a_rule

UNHURRIED = settings(deadline=None)
"""Compiling takes milliseconds, but the first time it also loads Polars, and machines are shared."""

NUMBERS = ("iso", "fnumber", "p_text_heavy_yes")
TEXTS = ("tenant", "camera_make")
TRUTHS = ("has_gps", "has_camera_exif")
FRAME = pl.Schema(
    {
        **dict.fromkeys(NUMBERS, pl.Float64()),
        **dict.fromkeys(TEXTS, pl.String()),
        **dict.fromkeys(TRUTHS, pl.Boolean()),
    },
)

number_values = st.none() | st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, -3.0]) | st.floats(-1e6, 1e6, width=32)
images = st.fixed_dictionaries(
    {
        **dict.fromkeys(NUMBERS, number_values),
        **dict.fromkeys(TEXTS, st.none() | st.sampled_from(["a", "b", "it's"])),
        **dict.fromkeys(TRUTHS, st.none() | st.booleans()),
    },
)


def joined(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return texts of `template` with its places filled."""
    return st.tuples(*parts).map(lambda words: template.format(*words))


numbers = st.recursive(
    st.sampled_from([*NUMBERS, "0.0", "0.5", "2.0", "1e3"]),
    lambda inner: st.one_of(
        joined("{} {} {}", inner, st.sampled_from("+-*/"), inner),
        joined("({} {} {})", inner, st.sampled_from("+-*/"), inner),
        joined("- {}", inner),
        joined("COALESCE({}, {})", inner, inner),
    ),
    max_leaves=4,
)
texts = st.sampled_from([*TEXTS, "'a'", "'it''s'"])
comparisons = st.one_of(
    joined("{} {} {}", numbers, st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="]), numbers),
    joined("{} {} {}", texts, st.sampled_from(["=", "<>"]), texts),
    joined("{} {} ({}, {})", texts, st.sampled_from(["IN", "NOT IN"]), st.just("'a'"), st.just("'it''s'")),
    joined("{} {} {} AND {}", numbers, st.sampled_from(["BETWEEN", "NOT BETWEEN"]), numbers, numbers),
    joined("{} {}", numbers | texts, st.sampled_from(["IS NULL", "IS NOT NULL"])),
    joined("{} = {}", st.sampled_from(TRUTHS), st.sampled_from([*TRUTHS, "TRUE", "FALSE"])),
    st.sampled_from(TRUTHS),
)
expressions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        joined("{} {} {}", inner, st.sampled_from(["AND", "OR"]), inner),
        joined("({})", inner),
        joined("NOT {}", inner),
    ),
    max_leaves=5,
).filter(lambda text: any(name in text for name in (*NUMBERS, *TEXTS, *TRUTHS)))


def truths_in_sqlite(when: str, rows: list[dict[str, FactValue]]) -> list[bool]:
    """Return whether `when` is true of each row, by an independent implementation of SQL."""
    columns = [*(f"{name} REAL" for name in NUMBERS), *(f"{name} TEXT" for name in TEXTS), *TRUTHS]
    with sqlite3.connect(":memory:") as database:
        database.execute(f"CREATE TABLE facts ({', '.join(columns)})")
        names = (*NUMBERS, *TEXTS, *TRUTHS)
        places = ", ".join(f":{name}" for name in names)
        database.executemany(f"INSERT INTO facts VALUES ({places})", rows)  # noqa: S608 - the test wrote it
        query = f"SELECT {when} FROM facts ORDER BY rowid"  # noqa: S608 - the test wrote it
        found = database.execute(query).fetchall()
    database.close()
    return [bool(truth) for (truth,) in found]


@UNHURRIED
@given(when=expressions, rows=st.lists(images, min_size=1, max_size=6))
def test_rule_is_true_exactly_where_sqlite_says_so(when: str, rows: list[dict[str, FactValue]]) -> None:
    """The language is SQL: precedence, NULL and division by zero included."""
    decided = a_compiled(a_rule(when)).conclude(rows)

    assert ["first" in conclusion.matched_rules for conclusion in decided] == truths_in_sqlite(when, rows)


@UNHURRIED
@given(
    rules=st.lists(st.tuples(expressions, st.sampled_from(Verdict)), min_size=1, max_size=5),
    rows=st.lists(images, min_size=1, max_size=8),
)
def test_deciding_one_by_one_equals_deciding_the_batch_and_the_frame(
    rules: list[tuple[str, Verdict]],
    rows: list[dict[str, FactValue]],
) -> None:
    """A worker with one image and a preview of a million can't disagree."""
    parts = [a_rule(when, verdict, rule_id=f"r{index}") for index, (when, verdict) in enumerate(rules)]
    compiled = a_compiled(*parts)

    batch = compiled.decide_many(rows)
    frame = compiled.decide(pl.DataFrame(rows, schema=FRAME))

    assert tuple(compiled.decide_one(row) for row in rows) == batch
    assert frame["verdict"].to_list() == [decision.verdict.value for decision in batch]
    assert frame["reason_codes"].to_list() == [list(decision.reason_codes) for decision in batch]


@UNHURRIED
@given(
    rules=st.lists(st.tuples(expressions, st.sampled_from(Verdict)), max_size=4),
    row=images,
    otherwise=st.sampled_from(Verdict),
)
def test_verdict_is_the_first_true_rule_s_unless_text_guards_it(
    rules: list[tuple[str, Verdict]],
    row: dict[str, FactValue],
    otherwise: Verdict,
) -> None:
    """The rule of rules, stated once more in plain Python over another SQL."""
    parts = [a_rule(when, verdict, rule_id=f"r{index}") for index, (when, verdict) in enumerate(rules)]
    true = [verdict for when, verdict in rules if truths_in_sqlite(when, [row])[0]]
    expected = true[0] if true else otherwise
    text = row["p_text_heavy_yes"]
    if expected is Verdict.ACCEPT and isinstance(text, float) and text >= 0.5:
        expected = Verdict.REVIEW

    assert a_compiled(*parts, otherwise=otherwise).decide_one(row).verdict is expected


@UNHURRIED
@given(st.text(max_size=60) | st.text(alphabet="ab1.'\"()<>=!-+*/, ANDORNTISUL", max_size=60))
def test_any_text_is_an_expression_or_a_syntax_error_inside_it(text: str) -> None:
    """Nothing that a person or an attacker types is a traceback."""
    refusal = None
    try:
        parse_expression(text)
    except RuleSyntaxError as error:
        refusal = error

    assert refusal is None or 0 <= refusal.at <= len(text)


@UNHURRIED
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_in_a_document_is_a_policy_or_a_list_of_faults(when: str, top: str) -> None:
    """The boundary is total."""
    faults = None
    try:
        load_policy(a_document(a_rule(when), top=top))
    except InvalidPolicyError as error:
        faults = error.faults

    assert faults is None or len(faults) > 0


@UNHURRIED
@given(images)
def test_house_policy_accepts_nothing_without_answers(row: dict[str, FactValue]) -> None:
    """What nobody has seen is never accepted."""
    assert compile_policy(shipped_policy()).decide_one(row).verdict is not Verdict.ACCEPT
