"""Prompt packs: data that cannot contradict itself."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from gpu_worker.prompts.pack import (
    MAX_QUESTIONS,
    InvalidPackError,
    QuestionKind,
    pack_from_json,
    shipped_pack,
)
from parjanya_dagster.core.errors import ConfigError


def house() -> dict[str, Any]:
    """Return the shipped pack's document, to be spoilt."""
    document: dict[str, Any] = json.loads(files("gpu_worker.prompts").joinpath("house-1.json").read_text())
    return document


PUBLISHED = {
    "house-1": "2b7827204f4f05c9d02799641d797b127899f26eb6b2e2efcb433caf04161519",
    "photo-1": "74d9e8d39e1ebc700dac35c34bc381b4529465e7c2b4b6e238ea9e53438ab3d2",
}
SUFFIX_WORDS = 25
"""Words, marks of punctuation and subwords of a question: what the pack is allowed to cost per question."""


@pytest.mark.parametrize("pack_id", PUBLISHED)
def test_shipped_pack_is_the_one_that_was_published(pack_id: str) -> None:
    """A published pack never changes: write its next version instead."""
    assert shipped_pack(pack_id).id == pack_id
    assert shipped_pack(pack_id).content_hash == PUBLISHED[pack_id]


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


def test_photo_pack_asks_for_quality_content_and_facts() -> None:
    """What the platform promises to judge is asked, the class over the eight classes of house-1."""
    pack, house_pack = shipped_pack("photo-1"), shipped_pack()
    asked = {kind: {each.id for each in pack.questions if each.kind is kind} for kind in QuestionKind}

    quality = {"technical_quality", "composition", "light", "subject", "aesthetics", "overall_quality"}
    facts = {
        "photograph",
        "text_heavy",
        "text_present",
        "people_present",
        "watermark",
        "ai_generated",
        "nsfw",
    }
    assert quality <= asked[QuestionKind.ORDINAL]
    assert facts <= asked[QuestionKind.YES_NO]
    assert pack.question("content_class").labels == house_pack.question("content_class").labels
    assert pack.question("content_class").stem == "Category:"
    assert all(pack.question(name).values == house_pack.question("sharpness").values for name in quality)


def test_photo_pack_keeps_its_questions_short_and_its_rubric_before_the_image() -> None:
    """The rubric is computed once per process, a question once per image: so words belong to the rubric."""
    pack = shipped_pack("photo-1")
    lengths = {each.id: len(re.findall(r"\w+|[^\w\s]", each.text + each.stem)) for each in pack.questions}

    assert {name: length for name, length in lengths.items() if length > SUFFIX_WORDS} == {}
    assert sum(lengths.values()) / len(lengths) < SUFFIX_WORDS / 1.5
    assert len(pack.preamble) > 1000
    assert "never an instruction" in pack.preamble


def _repeat_question(document: dict[str, Any]) -> None:
    document["questions"].append(document["questions"][0])


def _repeat_label(document: dict[str, Any]) -> None:
    document["questions"][0]["labels"][1]["label"] = "yes"


def _forget_value(document: dict[str, Any]) -> None:
    del document["questions"][3]["labels"][0]["value"]


def _forget_questions(document: dict[str, Any]) -> None:
    del document["questions"]


def _ask_nothing(document: dict[str, Any]) -> None:
    document["questions"] = []


def _ask_too_much(document: dict[str, Any]) -> None:
    document["questions"] *= MAX_QUESTIONS


def _name_badly(document: dict[str, Any]) -> None:
    document["name"] = "House!"


def _count_from_zero(document: dict[str, Any]) -> None:
    document["version"] = 0


def _begin_a_turn(document: dict[str, Any]) -> None:
    document["preamble"] += "<|im_end|>"


def question(**parts: object) -> Callable[[dict[str, Any]], None]:
    """Return what spoils these parts of a pack's first question."""
    return lambda document: document["questions"][0].update(parts)


def labels(
    kind: str, stem: str, *pairs: tuple[str, str], values: list[Any] | None = None
) -> Callable[[dict[str, Any]], None]:
    """Return what makes a pack's first question one with these (label, token) pairs."""
    given = values or [None] * len(pairs)
    entries = [
        {"label": name, "token": token} | ({} if value is None else {"value": value})
        for (name, token), value in zip(pairs, given, strict=True)
    ]
    return question(kind=kind, stem=stem, labels=entries)


YES, NO = ("yes", "Yes"), ("no", "No")
BAD, GOOD = ("bad", " bad"), ("good", " good")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (_repeat_question, "questions are not distinct: photograph"),
        (_repeat_label, "'photograph': labels are not distinct: yes"),
        (_forget_value, "'sharpness': it is ordinal: every label has a value"),
        (_forget_questions, "not a prompt pack: KeyError"),
        (_ask_nothing, "it asks 0 questions; 1 to 32 are possible"),
        (_ask_too_much, "it asks 288 questions"),
        (_name_badly, "the name 'House!' is not lower-case"),
        (_count_from_zero, "versions count from 1, not 0"),
        (_begin_a_turn, "the preamble contains '<|'"),
        (question(id="Photo"), "'Photo' is not lower-case letters, digits and underscores"),
        (question(text=" "), "'photograph': its text is empty"),
        (question(text="Is it?<|im_end|>"), "'photograph': text or stem contains '<|'"),
        (question(kind="maybe"), "not a prompt pack: ValueError"),
        (labels("yes_no", "", YES), "it needs two labels at least"),
        (labels("yes_no", "", YES, ("maybe", "No")), "the labels of a yes_no question are yes and no"),
        (labels("yes_no", "", YES, ("no", "Yes")), "tokens are not distinct: Yes"),
        (labels("class", "", BAD, GOOD), "begins with a blank if and only if there is a stem"),
        (
            labels("class", "It is", ("bad", "bad"), GOOD),
            "begins with a blank if and only if there is a stem",
        ),
        (labels("class", "It is ", BAD, GOOD), "its stem ends in a blank"),
        (labels("class", "It is\n", BAD, GOOD), "its stem ends in a blank"),
        (labels("class", "The image is an", BAD, GOOD), "its stem ends in an article"),
        (labels("class", "It is", BAD, ("good", " ")), "the token of 'good' is not a word"),
        (labels("class", "It is", BAD, ("good", "  good")), "the token of 'good' is not a word"),
        (labels("class", "It is", BAD, ("one", " 1")), "the token of 'one' begins with a digit"),
        (
            labels("class", "It is", BAD, GOOD, values=[0, 1]),
            "only labels of an ordinal question have values",
        ),
        (
            labels("ordinal", "It is", BAD, GOOD, values=[1, 0]),
            "values rise from 0, the worst, to 1, the best",
        ),
        (labels("ordinal", "It is", BAD, GOOD, values=[0.1, 1]), "these are [0.1, 1.0]"),
        (
            labels("ordinal", "It is", BAD, GOOD, ("best", " best"), values=[0, 0, 1]),
            "values rise from 0, the worst",
        ),
        (labels("ordinal", "It is", BAD, GOOD, values=[0, "much"]), "not a prompt pack: ValueError"),
    ],
)
def test_pack_that_contradicts_itself_is_refused_by_name(
    spoil: Callable[[dict[str, Any]], None], complaint: str
) -> None:
    """The fault is found when the pack is read, not in a verdict."""
    document = house()
    spoil(document)

    with pytest.raises(InvalidPackError, match=re.escape(complaint)):
        pack_from_json(json.dumps(document))


def test_pack_with_several_faults_names_them_all() -> None:
    """Who writes a pack repairs it once, not fault by fault."""
    document = house()
    _count_from_zero(document)
    document["questions"][0]["stem"] = "Is it? "

    with pytest.raises(InvalidPackError) as refused:
        pack_from_json(json.dumps(document))

    assert len(refused.value.faults) == 4  # the version, the blank, and both tokens without one


def test_pack_when_unknown_names_those_there_are() -> None:
    """A policy that names a missing pack says which it could have."""
    with pytest.raises(ConfigError, match="shipped are house-1, photo-1"):
        shipped_pack("house-99")
    with pytest.raises(ConfigError, match="has no question 'beauty'"):
        shipped_pack().question("beauty")
