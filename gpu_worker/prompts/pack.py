"""Prompt packs: the questions asked about every image, versioned and kept as data.

The worker, the policy and the fingerprint must mean the same questions, so a pack carries the hash of its
content, and an edited pack that kept its version is noticed.
"""

import hashlib
import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

from parjanya_dagster.core.errors import ConfigError

DEFAULT_PACK: Final = "house-1"

MAX_QUESTIONS: Final = 32
"""Questions share a pass with the image: some thirty short ones cost about as much as the image itself."""

_PACK_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ARTICLE: Final = re.compile(r"(^|\s)(a|an|the)$", re.IGNORECASE)
_TURN_MARKER: Final = "<|"
"""How chat templates mark turns and images: in a text it would begin another turn."""


class InvalidPackError(ConfigError):
    """A document that can't be a prompt pack; it names every fault that could be found."""

    def __init__(self, pack_id: str, faults: tuple[str, ...]) -> None:
        lines = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(f"prompt pack {pack_id} has {len(faults)} fault(s):{lines}")
        self.faults = faults


class QuestionKind(StrEnum):
    """What the labels of a question are to each other."""

    ORDINAL = "ordinal"
    CLASS = "class"
    YES_NO = "yes_no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One option.

    Args:
        name: as stored and as policies name it.
        token: the text whose first token a language model's head is read at.
        value: 0..1, for ordinal questions; else None.
    """

    name: str
    token: str
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question about an image.

    Args:
        id: as stored and as policies name it.
        text: what a language model is asked.
        stem: how its answer is begun for it, up to the label's token; empty if the answer is the label alone.
        labels: at least two, names and tokens distinct; ordinal ones from worst, 0, to best, 1.
    """

    id: str
    kind: QuestionKind
    text: str
    stem: str
    labels: tuple[Label, ...]

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names in the pack's order."""
        return tuple(label.name for label in self.labels)

    @property
    def values(self) -> dict[str, float] | None:
        """Label → value of an ordinal question, else None."""
        values = {label.name: label.value for label in self.labels if label.value is not None}
        return values or None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptPack:
    """A versioned set of questions.

    Args:
        name: which pack.
        version: of the pack, from 1; a published version never changes.
        preamble: what a language model is told before any question.
        questions: ids distinct.
        content_hash: sha256 of the canonical content, 64 hex digits.
    """

    name: str
    version: int
    preamble: str
    questions: tuple[Question, ...]
    content_hash: str

    @property
    def id(self) -> str:
        """`name-version`: what results and policies refer to."""
        return f"{self.name}-{self.version}"

    @property
    def fingerprint_part(self) -> str:
        """Id and content hash: what the fingerprint of an answer contains."""
        return f"{self.id}@{self.content_hash}"

    def question(self, question_id: str) -> Question:
        """Return one question.

        Raises:
            ConfigError: the pack does not ask it.
        """
        for question in self.questions:
            if question.id == question_id:
                return question
        known = ", ".join(question.id for question in self.questions)
        raise ConfigError(f"prompt pack {self.id} has no question '{question_id}'; it asks {known}")

    def without(self, question_ids: Container[str]) -> "PromptPack":
        """Return the pack that asks the rest, in its order.

        It keeps id and content hash: each question means what it means in the whole pack, so that its answer
        has the same fingerprint.
        """
        return replace(self, questions=tuple(each for each in self.questions if each.id not in question_ids))


def shipped_pack(pack_id: str = DEFAULT_PACK) -> PromptPack:
    """Return a prompt pack that came with the package.

    Raises:
        ConfigError: there is none of this id, or its content does not fit its id.
    """
    folder = files("gpu_worker.prompts")
    names = sorted(
        entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")
    )
    if pack_id not in names:
        raise ConfigError(f"there is no prompt pack '{pack_id}'; shipped are {', '.join(names)}")
    pack = pack_from_json(folder.joinpath(f"{pack_id}.json").read_text(encoding="utf-8"))
    if pack.id != pack_id:
        raise ConfigError(f"prompt pack '{pack_id}' calls itself '{pack.id}'; rename the file or the pack")
    return pack


def pack_from_json(text: str) -> PromptPack:
    """Return the pack of a JSON document.

    Raises:
        InvalidPackError: with every fault, by question; just the first where the structure itself is wrong.
    """
    try:
        document = json.loads(text)
        pack = PromptPack(
            name=document["name"],
            version=int(document["version"]),
            preamble=document["preamble"],
            questions=tuple(_question(entry) for entry in document["questions"]),
            content_hash=_content_hash(document),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidPackError("?", (f"not a prompt pack: {error!r}",)) from error
    if faults := tuple(_faults(pack)):
        raise InvalidPackError(pack.id, faults)
    return pack


def _question(entry: Mapping[str, Any]) -> Question:
    return Question(
        id=entry["id"],
        kind=QuestionKind(entry["kind"]),
        text=entry["text"],
        stem=entry["stem"],
        labels=tuple(
            Label(name=label["label"], token=label["token"], value=_value(label)) for label in entry["labels"]
        ),
    )


def _value(label: Mapping[str, Any]) -> float | None:
    return None if label.get("value") is None else float(label["value"])


def _faults(pack: PromptPack) -> Iterator[str]:
    if not _PACK_NAME.fullmatch(pack.name):
        yield f"the name '{pack.name}' is not lower-case letters, digits and hyphens, a letter first"
    if pack.version < 1:
        yield f"versions count from 1, not {pack.version}"
    if _TURN_MARKER in pack.preamble:
        yield f"the preamble contains '{_TURN_MARKER}'"
    if not 1 <= len(pack.questions) <= MAX_QUESTIONS:
        yield f"it asks {len(pack.questions)} questions; 1 to {MAX_QUESTIONS} are possible"
    yield from _repeated("questions", [question.id for question in pack.questions])
    for question in pack.questions:
        yield from (f"'{question.id}': {fault}" for fault in _question_faults(question))


def _question_faults(question: Question) -> Iterator[str]:
    for name in (question.id, *question.label_names):
        if not _NAME.fullmatch(name):
            yield f"'{name}' is not lower-case letters, digits and underscores, a letter first"
    if not question.text.strip():
        yield "its text is empty"
    if _TURN_MARKER in question.text + question.stem:
        yield f"text or stem contains '{_TURN_MARKER}'"
    if len(question.labels) < 2:  # noqa: PLR2004 - one label leaves nothing to answer
        yield "it needs two labels at least"
    yield from _repeated("labels", question.label_names)
    yield from _repeated("tokens", [label.token for label in question.labels])
    if question.kind is QuestionKind.YES_NO and set(question.label_names) != {"yes", "no"}:
        yield "the labels of a yes_no question are yes and no"
    yield from _stem_faults(question)
    yield from _value_faults(question)


def _stem_faults(question: Question) -> Iterator[str]:
    if question.stem != question.stem.rstrip():
        yield "its stem ends in a blank; the blank belongs to the tokens"
    if _ARTICLE.search(question.stem):
        yield "its stem ends in an article, which gives some labels away"
    for label in question.labels:
        word = label.token.removeprefix(" ")
        if not word or word != word.strip():
            yield f"the token of '{label.name}' is not a word"
        elif label.token.startswith(" ") != bool(question.stem):
            yield f"the token of '{label.name}' begins with a blank if and only if there is a stem before it"
        elif word[0].isdigit():
            yield f"the token of '{label.name}' begins with a digit: after a blank all digits begin alike"


def _value_faults(question: Question) -> Iterator[str]:
    values = [label.value for label in question.labels if label.value is not None]
    if question.kind is not QuestionKind.ORDINAL:
        if values:
            yield f"it is {question.kind}: only labels of an ordinal question have values"
    elif len(values) != len(question.labels):
        yield "it is ordinal: every label has a value"
    elif [*values[:1], *values[-1:]] != [0, 1] or any(low >= high for low, high in pairwise(values)):
        yield f"values rise from 0, the worst, to 1, the best; these are {values}"


def _repeated(what: str, names: Sequence[str]) -> Iterator[str]:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        yield f"{what} are not distinct: {', '.join(repeated)}"


def _content_hash(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
