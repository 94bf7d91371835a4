"""What a replay does to a row, by its boundary."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.errors import IllegalTransitionError, InvalidRequestError
from parjanya_dagster.core.reconcile.replay import (
    EVERYTHING,
    FROM_THE_FILE,
    RULES_ALONE,
    Boundary,
    Refusal,
    answers_count,
    decided_again,
    is_held_back,
    refusal,
    replayed,
)
from parjanya_dagster.core.truth.lifecycle import VALIDATION_PATIENCE
from parjanya_dagster.core.truth.row import Lane, Status, Verdict
from tests.builders import NOON, a_decision, a_result, a_row

LATER = NOON + timedelta(hours=1)
SOME = Boundary(questions=("focus",))
STATUSES = st.sampled_from(Status)
BOUNDARIES = st.sampled_from([EVERYTHING, RULES_ALONE, SOME, FROM_THE_FILE])


@pytest.mark.parametrize(
    ("text", "boundary"),
    [
        ("all", EVERYTHING),
        ("none", RULES_ALONE),
        ("validation", FROM_THE_FILE),
        ("questions:focus", SOME),
        ("questions:b,a,,b", Boundary(questions=("a", "b"))),
    ],
)
def test_boundary_when_written_and_read_is_the_same(text: str, boundary: Boundary) -> None:
    """One text form, in commands, plans and digests."""
    assert Boundary.parsed(text) == boundary
    assert Boundary.parsed(str(boundary)) == boundary


@pytest.mark.parametrize("text", ["", "some", "questions:", "questions:,", "focus"])
def test_boundary_when_it_says_nothing_is_refused(text: str) -> None:
    """A replay never guesses how far back it goes."""
    with pytest.raises(InvalidRequestError, match="boundary"):
        Boundary.parsed(text)


@pytest.mark.parametrize(
    ("status", "boundary", "expected"),
    [
        (Status.ENRICHED, EVERYTHING, None),
        (Status.ENRICHED, RULES_ALONE, None),
        (Status.VLM_FAILED, SOME, None),
        (Status.VLM_FAILED, RULES_ALONE, Refusal.NO_ANSWERS),
        (Status.PENDING_VLM_ENRICHMENT, EVERYTHING, Refusal.BEING_SCORED),
        (Status.PENDING_VALIDATION, EVERYTHING, Refusal.NEVER_SCORED),
        (Status.REJECTED_TECHNICAL, RULES_ALONE, Refusal.NEVER_SCORED),
        (Status.ERASED, EVERYTHING, Refusal.ERASED),
        (Status.REJECTED_TECHNICAL, FROM_THE_FILE, None),
        (Status.PENDING_VALIDATION, FROM_THE_FILE, Refusal.NOT_REJECTED),
        (Status.ENRICHED, FROM_THE_FILE, Refusal.NOT_REJECTED),
    ],
)
def test_row_when_it_stands_elsewhere_is_refused(
    status: Status, boundary: Boundary, expected: Refusal | None
) -> None:
    """What was scored can be scored again, what has answers decided again, what was rejected read again."""
    assert refusal(a_row(status=status), boundary) is expected


def test_row_when_it_is_held_back_may_be_asked_but_not_decided() -> None:
    """What reconciliation gave up waits for a person."""
    row = a_row(quarantined=True)

    assert is_held_back(row)
    assert refusal(row, EVERYTHING) is None
    assert refusal(row, RULES_ALONE) is Refusal.NO_ANSWERS
    assert refusal(a_row(status=Status.ENRICHED, result_id=None), RULES_ALONE) is Refusal.NO_ANSWERS


@pytest.mark.parametrize(("boundary", "questions"), [(EVERYTHING, None), (SOME, ("focus",))])
def test_replay_when_it_asks_moves_the_row_into_the_gap_and_keeps_the_decision(
    boundary: Boundary, questions: tuple[str, ...] | None
) -> None:
    """Nothing current is left to be read as new, and the verdict in force stays until the next one."""
    row = a_row(status=Status.ENRICHED, attempts=2)

    after = replayed(row, boundary, lane=Lane.REGRADE, now=LATER)

    assert after.is_gap
    assert (after.generation, after.lane, after.due_at) == (2, Lane.REGRADE, LATER)
    assert (after.decision, after.decided_generation, after.result_id) == (row.decision, 1, "1-first")
    assert (after.questions, after.scored_by, after.attempts) == (questions, None, 0)


def test_replay_when_there_is_no_result_to_carry_over_from_asks_everything() -> None:
    """A row that failed before any answer has nothing to keep."""
    assert replayed(a_row(status=Status.VLM_FAILED), SOME, lane=Lane.FRESH, now=LATER).questions is None


def test_replay_of_a_held_back_row_lets_it_back_into_the_gap_with_its_generation() -> None:
    """It stands at its boundary already: only what was counted against it goes."""
    row = a_row(quarantined=True, intent_at=NOON, intent_id="lost", emissions=5, returns=3, postponed=2)

    after = replayed(row, EVERYTHING, lane=Lane.FRESH, now=LATER)

    assert after.is_gap
    assert (after.generation, after.status, after.due_at) == (row.generation, row.status, LATER)
    assert (after.emissions, after.returns, after.postponed, after.intent_id) == (0, 0, 0, None)


def test_replay_from_the_file_puts_a_rejected_row_back_into_validation_with_all_its_attempts() -> None:
    """Nothing was asked in its generation, so that stays; the sweep reads the file, not the stream."""
    row = a_row(status=Status.REJECTED_TECHNICAL, attempts=3, last_error="validation_crashed")

    after = replayed(row, FROM_THE_FILE, lane=Lane.REGRADE, now=LATER)

    assert after.is_gap
    assert (after.status, after.generation, after.lane) == (Status.PENDING_VALIDATION, 1, Lane.REGRADE)
    assert (after.attempts, after.due_at) == (0, LATER + VALIDATION_PATIENCE)


def test_decision_when_made_again_keeps_the_answers_in_a_new_generation() -> None:
    """Enriched stays enriched: no job, no GPU, and the history tells both decisions."""
    row, result = a_row(status=Status.ENRICHED, batches=None), a_result()
    decision = a_decision(Verdict.REJECT, "blurred", policy="v2")

    head, again = decided_again(row, result, decision, now=LATER)

    assert not head.is_gap
    assert (head.status, head.generation, head.decided_generation) == (Status.ENRICHED, 2, 2)
    assert (head.decision, head.result_id) == (decision, again.result_id)
    assert (again.answers, again.fingerprint, again.scored_by) == (
        result.answers,
        result.fingerprint,
        result.scored_by,
    )
    assert (again.generation, again.decision, again.at) == (2, decision, LATER)


def test_decision_when_made_again_after_a_crash_has_the_same_result() -> None:
    """What a crash left unnamed is what the repetition names; another version's is another."""
    row, result = a_row(status=Status.ENRICHED), a_result()

    ids = [
        decided_again(row, result, a_decision(policy=policy), now=now)[1].result_id
        for policy, now in (("v2", NOON), ("v2", LATER), ("v3", NOON))
    ]

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"prompt_pack": "house-1"}, True),
        ({"prompt_pack": "house-2"}, False),
        ({"questions": ["medium", "composition"]}, False),
        ({"fingerprints": ["cpu-1:test"]}, True),
        ({"fingerprints": ["gpu-1"]}, False),
    ],
)
def test_answers_when_given_to_other_questions_or_by_others_do_not_count(
    change: dict[str, object], *, counts: bool
) -> None:
    """A policy judges the answers it was written for."""
    result = a_result(prompt_pack=change.get("prompt_pack"))
    given = {"questions": ["medium", "focus"], "fingerprints": []} | change

    assert (
        answers_count(
            result,
            questions=given["questions"],  # type: ignore[arg-type]  # a list of names
            prompt_pack="house-1",
            fingerprints=given["fingerprints"],  # type: ignore[arg-type]  # the same
        )
        is counts
    )


@given(status=STATUSES, boundary=BOUNDARIES, quarantined=st.booleans(), has_result=st.booleans())
def test_replay_when_not_refused_is_legal_and_in_the_gap_exactly_if_it_asks(
    *, status: Status, boundary: Boundary, quarantined: bool, has_result: bool
) -> None:
    """Boundary none never enters the gap; what was refused would be illegal or in vain."""
    row = a_row(status=status, quarantined=quarantined, result_id="1-first" if has_result else None)
    because = refusal(row, boundary)
    if because is None and boundary.asks:
        assert replayed(row, boundary, lane=Lane.REGRADE, now=LATER).is_gap
    elif because is None:
        head, _ = decided_again(row, a_result(), a_decision(), now=LATER)
        assert not head.is_gap
        assert head.status is Status.ENRICHED
    elif boundary.asks:
        with pytest.raises(IllegalTransitionError):
            replayed(row, boundary, lane=Lane.REGRADE, now=LATER)
