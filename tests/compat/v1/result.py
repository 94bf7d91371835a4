"""Facts of ingestion, and the immutable result of one attempt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.compat.v1.row import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestFacts:
    """What ingestion measured, written once.

    Args:
        technical: plain form of `TechnicalFacts`.
        exif: plain form of `Exif`: every key present, None where the file has none.
        at: when it was measured.
    """

    technical: Mapping[str, Any]
    exif: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one attempt concluded; written before the head names it, never changed.

    Args:
        result_id: `<generation>-<attempt id>`, unique per attempt.
        answers: plain form of `Answers`, question → probabilities, score, spread, label_mass.
        prompt_pack: id of the pack whose questions were asked.
        fingerprint: what produced the answers (weights, prompt pack, decode path, …).
    """

    result_id: str
    generation: int
    answers: Mapping[str, Any]
    fingerprint: str
    decision: Decision
    scored_by: str
    at: datetime
    prompt_pack: str | None = None
