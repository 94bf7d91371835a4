"""Calibrations as documents: sealed, checked, and good for the answers of one engine to one pack only."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from parjanya_dagster.core.policy.calibration import (
    CalibrationMismatchError,
    InvalidCalibrationError,
    load_calibration,
)
from tests.calibration_builders import LINEAR, a_calibration, ordinal, yes_no

WHOLE = a_calibration(
    yes_no(prior=(-0.1, -2.0), line=(1.5, 0.25)), ordinal(prior=(-0.5, -1.0), knots=[(0.2, 0.1), (0.7, 0.9)])
)


def document() -> dict[str, Any]:
    """Return the stored form of a calibration, to be spoilt."""
    plain: dict[str, Any] = json.loads(WHOLE.model_dump_json())
    return plain


def resealed(plain: dict[str, Any], *changes: tuple[str, Any]) -> str:
    """Return the document with parts of its first or second question changed, whatever its hash says."""
    for path, value in changes:
        at, field = path.split(".")
        plain["questions"][int(at)][field] = value
    return json.dumps(plain)


def test_calibration_that_was_written_loads_as_the_same() -> None:
    """A file and a policy hold the same content under the same hash."""
    again = load_calibration(WHOLE.model_dump_json())

    assert again == WHOLE
    assert again.id == "test-1"


def test_calibration_that_was_edited_is_noticed() -> None:
    """A published calibration never changes: rows were judged by it."""
    plain = document()
    plain["questions"][0]["line"]["slope"] = 1.51

    with pytest.raises(InvalidCalibrationError, match="test-1 is not what its content_hash was taken of"):
        load_calibration(json.dumps(plain))


def test_calibrations_that_differ_have_different_hashes() -> None:
    """The hash is of everything."""
    hashes = {a_calibration(version=version).content_hash for version in (1, 2)}

    assert len(hashes | {WHOLE.content_hash}) == 3


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ([("0.prior", [-0.1])], "'photograph': 1 prior for 2 labels"),
        ([("1.values", [0.0, 0.5, 1.0])], "'sharpness': 3 values for 2 labels"),
        ([("0.labels", ["yes", "yes"])], "labels are not distinct"),
        ([("1.values", [1.0, 0.0])], "values must rise"),
        ([("0.labels", ["yes", "maybe"])], "a line is for yes and no"),
        ([("1.values", None)], "knots are for a score"),
        ([("1.knots", [{"score": 0.5, "becomes": 0.1}] * 2)], "the scores of knots must rise"),
        (
            [("1.knots", [{"score": 0.1, "becomes": 0.5}, {"score": 0.2, "becomes": 0.4}])],
            "a map must not fall",
        ),
        ([("0.line", {"slope": 0.0, "intercept": 0.0})], "questions.0.line.slope"),
        ([("0.prior", [0.1, -1.0])], "questions.0.prior.0"),
        ([("0.question", "sharpness"), ("1.question", "sharpness")], "calibrated more than once"),
        ([("0.question", "Photo!")], "questions.0.question"),
    ],
)
def test_calibration_that_contradicts_itself_is_refused_by_place(
    changes: list[tuple[str, Any]], complaint: str
) -> None:
    """A map that falls, or that leaves the range, would turn the order of images round."""
    with pytest.raises(InvalidCalibrationError, match=complaint):
        load_calibration(resealed(document(), *changes))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '"test-1"', "[" * 100_000])
def test_text_that_is_no_calibration_is_refused(text: str) -> None:
    """A wrong file is named as such, never a traceback."""
    with pytest.raises(InvalidCalibrationError, match="not a calibration"):
        load_calibration(text)


@pytest.mark.parametrize(
    ("differ", "complaint"),
    [
        (lambda: {"pack_hash": "cd" * 32}, "made for test-pack@abababababab, and the pack"),
        (lambda: {"fingerprint": "fingerprint-2"}, "engine cpu with the fingerprint fingerprint-"),
    ],
)
def test_calibration_of_other_answers_is_refused_by_name(
    differ: Callable[[], dict[str, str]], complaint: str
) -> None:
    """Another pack, other weights or other hardware answer differently: their answers need their own."""
    mine = {"pack_hash": WHOLE.pack_hash, "fingerprint": WHOLE.fingerprint}
    WHOLE.require(**mine)

    with pytest.raises(CalibrationMismatchError, match=complaint):
        WHOLE.require(**mine | differ())


def test_identity_map_is_allowed() -> None:
    """Nothing to correct is a finding too."""
    assert load_calibration(a_calibration(ordinal(knots=LINEAR)).model_dump_json()).questions[0].knots
