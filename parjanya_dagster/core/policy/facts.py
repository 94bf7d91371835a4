"""Facts: the typed values a rule may read, and how an image's stored records become them.

A policy's questions fix the facts about answers, so a document alone says what every name in its rules
means, years later and without the prompt pack at hand. An absent fact is NULL and never a default: a rule
about something unmeasured doesn't fire.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Any, Final

from parjanya_dagster.core.truth.technical import NativeStatistics

FactValue = float | str | bool | None

ANSWERED_FINGERPRINT: Final = "answered_fingerprint"
"""What produced an image's answers. No rule reads it; calibrations do."""


class Kind(StrEnum):
    """The type of a value in a rule."""

    NUMBER = "number"
    TEXT = "text"
    TRUTH = "truth value"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactType:
    """What a fact may hold.

    Args:
        meaning: one line for people, with unit and range.
        values: every text it may hold; None when any text may come.
    """

    kind: Kind
    meaning: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionShape:
    """A question as far as facts are concerned.

    Args:
        labels: the options, at least two, each `[a-z][a-z0-9_]*`.
        is_ordinal: its labels have values, so its answer has a score.
    """

    name: str
    labels: tuple[str, ...]
    is_ordinal: bool


NATIVE_STATISTICS = tuple(field.name for field in fields(NativeStatistics))
"""Names of what ingestion measures at native size; each is a fact named `native_<name>`."""

STANDING_FACTS: Mapping[str, FactType] = {
    "tenant": FactType(kind=Kind.TEXT, meaning="the tenant's id"),
    "priority": FactType(kind=Kind.TEXT, meaning="asked for at upload", values=("high", "normal", "low")),
    "format": FactType(kind=Kind.TEXT, meaning="file format as decoded, lower case, e.g. jpeg"),
    "size_bytes": FactType(kind=Kind.NUMBER, meaning="length of the file, bytes"),
    "width": FactType(kind=Kind.NUMBER, meaning="stored width, px"),
    "height": FactType(kind=Kind.NUMBER, meaning="stored height, px"),
    "megapixels": FactType(kind=Kind.NUMBER, meaning="width * height, millions"),
    "aspect_ratio": FactType(kind=Kind.NUMBER, meaning="longer side ÷ shorter side, ≥ 1"),
    "has_camera_exif": FactType(kind=Kind.TRUTH, meaning="EXIF names the maker and the model of a camera"),
    "has_capture_time": FactType(kind=Kind.TRUTH, meaning="EXIF has the time of capture"),
    "has_gps": FactType(kind=Kind.TRUTH, meaning="EXIF has a position"),
    "camera_make": FactType(kind=Kind.TEXT, meaning="EXIF maker, as stored"),
    "camera_model": FactType(kind=Kind.TEXT, meaning="EXIF model, as stored"),
    "iso": FactType(kind=Kind.NUMBER, meaning="EXIF sensitivity"),
    "exposure_time_s": FactType(kind=Kind.NUMBER, meaning="EXIF exposure time, s"),
    "fnumber": FactType(kind=Kind.NUMBER, meaning="EXIF f-number"),
    "focal_length_mm": FactType(kind=Kind.NUMBER, meaning="EXIF focal length, mm"),
    "label_mass": FactType(
        kind=Kind.NUMBER,
        meaning="least share of the model's probability that fell on a question's labels, 0..1",
    ),
    **{
        f"native_{name}": FactType(kind=Kind.NUMBER, meaning=f"{name} at native size, from ingestion")
        for name in NATIVE_STATISTICS
    },
}
"""Facts every policy may read, whatever it asks the model."""


def fact_types(questions: Iterable[QuestionShape]) -> dict[str, FactType]:
    """Return the type of every fact that rules may read, by name."""
    types = dict(STANDING_FACTS)
    for question in questions:
        name = question.name
        types[f"top_{name}"] = FactType(
            kind=Kind.TEXT,
            meaning=f"likeliest answer to {name}",
            values=question.labels,
        )
        if question.is_ordinal:
            types[f"score_{name}"] = FactType(kind=Kind.NUMBER, meaning=f"expected value of {name}, 0..1")
        for label in question.labels:
            types[f"p_{name}_{label}"] = FactType(
                kind=Kind.NUMBER,
                meaning=f"probability that {name} is {label}, 0..1",
            )
    return types


def facts_of(
    *,
    tenant: str,
    priority: str,
    answers: Mapping[str, Any] | None,
    technical: Mapping[str, Any] | None,
    exif: Mapping[str, Any] | None,
    fingerprint: str | None = None,
) -> dict[str, FactValue]:
    """Return the facts about one image as answers and ingestion have them; what is absent is None.

    Args:
        tenant: the tenant's id.
        priority: high, normal or low.
        answers: question → {"probabilities": {label: p}, "score", "label_mass"}, the stored form; None when
            there are none.
        technical: the stored form of ingestion's technical facts; native statistics by their bare names,
            beside the others or under "statistics".
        exif: the stored form of EXIF.
        fingerprint: of the answers; a calibrated policy takes those of an unknown one for absent.
    """
    return {
        "tenant": tenant,
        "priority": priority,
        ANSWERED_FINGERPRINT: fingerprint,
        **_technical_facts(technical or {}),
        **_exif_facts(exif),
        **_answer_facts(answers or {}),
    }


def _technical_facts(technical: Mapping[str, Any]) -> dict[str, FactValue]:
    technical = {**technical, **(technical.get("statistics") or {})}
    width, height = _number(technical.get("width")), _number(technical.get("height"))
    image_format = _text(technical.get("format"))
    return {
        "format": image_format.lower() if image_format else None,
        "size_bytes": _number(technical.get("size_bytes")),
        "width": width,
        "height": height,
        "megapixels": width * height / 1e6 if width and height else None,
        "aspect_ratio": max(width, height) / min(width, height) if width and height else None,
        **{f"native_{name}": _number(technical.get(name)) for name in NATIVE_STATISTICS},
    }


def _exif_facts(exif: Mapping[str, Any] | None) -> dict[str, FactValue]:
    tags = exif or {}
    make, model = _text(tags.get("make")), _text(tags.get("model"))
    has_position = None not in (_number(tags.get("gps_latitude")), _number(tags.get("gps_longitude")))
    presence = {
        "has_camera_exif": make is not None and model is not None,
        "has_capture_time": _text(tags.get("datetime_original")) is not None,
        "has_gps": has_position,
    }
    return {
        **{name: None if exif is None else is_there for name, is_there in presence.items()},
        "camera_make": make,
        "camera_model": model,
        **{
            name: _number(tags.get(name)) for name in ("iso", "exposure_time_s", "fnumber", "focal_length_mm")
        },
    }


def _answer_facts(answers: Mapping[str, Any]) -> dict[str, FactValue]:
    facts: dict[str, FactValue] = {}
    masses: list[float] = []
    for question, answer in answers.items():
        given = ((label, _number(p)) for label, p in answer["probabilities"].items())
        probabilities = {label: p for label, p in given if p is not None}
        facts |= {f"p_{question}_{label}": p for label, p in probabilities.items()}
        facts[f"score_{question}"] = _number(answer.get("score"))
        facts[f"top_{question}"] = max(probabilities, key=probabilities.__getitem__, default=None)
        mass = _number(answer.get("label_mass"))
        masses += [] if mass is None else [mass]
    return {**facts, "label_mass": min(masses, default=None)}


def _number(value: object) -> float | None:
    """Return a finite number; DynamoDB hands out decimals, and NaN would compare greater than anything."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = float(value)
    return number if isfinite(number) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
