"""What people say about images: one CSV file, a row per image and a column per question.

    path,photograph,overall_quality
    2026/harbour.jpg,yes,0.75
    2026/logo.png,no,
    2026/gate.jpg,yes,good

A cell of a yes/no question is yes or no; of an ordinal one a label, or a number from 0, worst, to 1, best,
such as the mean of what several people said. An empty cell says nothing.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gpu_worker.prompts.pack import PromptPack, Question, QuestionKind
from parjanya_dagster.core.errors import ConfigError

PATH: Final = "path"


class InvalidLabelsError(ConfigError):
    """A file of labels that can't be used; the message says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPath:
    """An image file and what people say about it.

    Args:
        labels: question → 0..1; no question that nobody answered.
    """

    path: Path
    labels: Mapping[str, float]


def read_labels(file: Path, folder: Path, pack: PromptPack) -> tuple[LabelledPath, ...]:
    """Return the labels in a file, in its order; rows without any label are left out.

    Args:
        folder: that the file's paths are relative to.
        pack: that asks the questions.

    Raises:
        InvalidLabelsError: something in the file is wrong, or an image is not there.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines, strict=True)
            questions = _questions(rows.fieldnames or (), pack)
            labelled = [_labelled(row, rows.line_num, folder, questions) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidLabelsError(f"{file} can't be read as CSV: {error}") from error
    if missing := [str(each.path) for each in labelled if not each.path.is_file()]:
        raise InvalidLabelsError(f"{len(missing)} labelled images are not there, first {missing[0]}")
    if len({each.path for each in labelled}) < len(labelled):
        raise InvalidLabelsError("a path is listed more than once: give one row, with the mean of its labels")
    return tuple(each for each in labelled if each.labels)


def _questions(columns: Sequence[str], pack: PromptPack) -> list[Question]:
    if PATH not in columns:
        raise InvalidLabelsError(
            f"there is no column '{PATH}'; the columns are {', '.join(columns) or 'none'}"
        )
    questions = [pack.question(name) for name in columns if name != PATH]
    if classes := [each.id for each in questions if each.kind is QuestionKind.CLASS]:
        raise InvalidLabelsError(
            f"'{classes[0]}' is a choice among classes, of which only the prior is corrected: leave it out"
        )
    return questions


def _labelled(
    row: Mapping[str, str | None], line: int, folder: Path, questions: list[Question]
) -> LabelledPath:
    labels = {}
    for question in questions:
        if cell := (row[question.id] or "").strip().lower():
            labels[question.id] = _value(cell, question, line)
    return LabelledPath(path=folder / (row[PATH] or ""), labels=labels)


def _value(cell: str, question: Question, line: int) -> float:
    known = question.values or {"yes": 1.0, "no": 0.0}
    if cell in known:
        return known[cell]
    try:
        number = float(cell) if question.values else float("nan")
    except ValueError:
        number = float("nan")
    if not 0 <= number <= 1:  # also true of NaN
        wanted = f"{', '.join(known)}{', or a number from 0 to 1' if question.values else ''}"
        raise InvalidLabelsError(f"line {line}: '{cell}' is no label of '{question.id}': {wanted}")
    return number
