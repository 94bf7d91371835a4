"""Prompt packs: the questions asked about every image, versioned and kept as data.

The worker, the policy and the fingerprint must mean the same questions, so a pack carries the hash of its
content, and an edited pack that kept its version is noticed.
"""

import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.resources import files
from typing import Any, Final

from parjanya_dagster.core.errors import ConfigError

DEFAULT_PACK: Final = "house-1"


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
        stem: how its answer is begun for it, up to the label's token.
        labels: at least two, names and tokens distinct; ordinal ones from worst to best.
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
        ConfigError: the document is not a prompt pack; the message says where.
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
        raise ConfigError(f"not a prompt pack: {error!r}") from error
    _require_distinct("questions", [question.id for question in pack.questions])
    return pack


def _question(entry: Mapping[str, Any]) -> Question:
    labels = tuple(
        Label(name=label["label"], token=label["token"], value=label.get("value"))
        for label in entry["labels"]
    )
    question = Question(
        id=entry["id"],
        kind=QuestionKind(entry["kind"]),
        text=entry["text"],
        stem=entry["stem"],
        labels=labels,
    )
    _require_distinct(f"labels of '{question.id}'", [label.name for label in labels])
    _require_distinct(f"tokens of '{question.id}'", [label.token for label in labels])
    if (question.kind is QuestionKind.ORDINAL) != all(label.value is not None for label in labels):
        raise ConfigError(
            f"'{question.id}' is {question.kind}: labels have values if and only if it is ordinal"
        )
    return question


def _require_distinct(what: str, names: list[str]) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{what} are not distinct: {', '.join(repeated)}")


def _content_hash(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
