"""Prompt packs: data that cannot contradict itself."""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from gpu_worker.prompts.pack import pack_from_json, shipped_pack
from parjanya_dagster.core.errors import ConfigError


def house() -> dict[str, Any]:
    """Return the shipped pack's document, to be spoilt."""
    document: dict[str, Any] = json.loads(files("gpu_worker.prompts").joinpath("house-1.json").read_text())
    return document


def test_house_pack_is_the_one_that_was_published() -> None:
    """A published pack never changes: write house-2 instead."""
    pack = shipped_pack()

    assert pack.id == "house-1"
    assert pack.content_hash == "2b7827204f4f05c9d02799641d797b127899f26eb6b2e2efcb433caf04161519"


def test_pack_when_one_word_changes_has_another_hash() -> None:
    """An edited question gets other answers."""
    document = house()
    document["questions"][0]["text"] += " Please."

    assert pack_from_json(json.dumps(document)).content_hash != shipped_pack().content_hash


def test_rating_words_stand_for_quarters_from_worst_to_best() -> None:
    """Scores of all ordinal questions mean the same."""
    quarters = {"bad": 0.0, "poor": 0.25, "fair": 0.5, "good": 0.75, "excellent": 1.0}

    ordinal = [question.values for question in shipped_pack().questions if question.values]

    assert ordinal == [quarters] * 6
    assert list(quarters) == list(ordinal[0])


def _repeat_question(document: dict[str, Any]) -> None:
    document["questions"].append(document["questions"][0])


def _repeat_label(document: dict[str, Any]) -> None:
    document["questions"][0]["labels"][1]["label"] = "yes"


def _forget_value(document: dict[str, Any]) -> None:
    del document["questions"][3]["labels"][0]["value"]


def _forget_questions(document: dict[str, Any]) -> None:
    del document["questions"]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (_repeat_question, "questions are not distinct: photograph"),
        (_repeat_label, "labels of 'photograph' are not distinct: yes"),
        (_forget_value, "'sharpness' is ordinal"),
        (_forget_questions, "not a prompt pack"),
    ],
)
def test_pack_that_contradicts_itself_is_refused_by_name(
    spoil: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    """The fault is found when the pack is read, not in a verdict."""
    document = house()
    spoil(document)

    with pytest.raises(ConfigError, match=complaint):
        pack_from_json(json.dumps(document))


def test_pack_when_unknown_names_those_there_are() -> None:
    """A policy that names a missing pack says which it could have."""
    with pytest.raises(ConfigError, match="shipped are house-1"):
        shipped_pack("house-99")
    with pytest.raises(ConfigError, match="has no question 'beauty'"):
        shipped_pack().question("beauty")
