"""Calibrations: how far an engine's answers may be taken at their word, fitted outside the GPU pass.

What an engine answered stays Truth, unchanged. A policy that names a calibration reads its facts through it,
so another calibration is another version of the policy, and judging by it again needs no GPU. A calibration
holds for the answers of one engine to one prompt pack, and carries the hash of its content.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import Field, ValidationError, model_validator

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.policy.parts import Name, PackId, Part, Utc

MAX_KNOTS: Final = 64

_Share = Annotated[float, Field(ge=0, le=1)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_LogProbability = Annotated[float, Field(ge=-20, le=0)]
_Count = Annotated[int, Field(ge=0)]
_Correlation = Annotated[float, Field(ge=-1, le=1)]


class InvalidCalibrationError(ConfigError):
    """A document that can't be a calibration, or that was changed after its hash was taken."""


class CalibrationMismatchError(ConfigError):
    """A calibration that was made for another prompt pack, or for another engine's answers."""


class Knot(Part):
    """One point of a score's map."""

    score: _Share
    becomes: _Share


class LogitLine(Part):
    """A line through log odds: those of yes, times `slope`, plus `intercept`.

    Args:
        slope: above 0, so that the order of images stays.
    """

    slope: Annotated[float, Field(gt=0, le=50)]
    intercept: Annotated[float, Field(ge=-50, le=50)]


class Quality(Part):
    """How well answers agree with people's labels.

    Args:
        srcc: Spearman's rank correlation; None where one side does not vary.
        plcc: Pearson's correlation; None as before.
        error: expected calibration error, 0..1: how far the mean answer is from the mean label among images
            that were answered alike.
    """

    srcc: _Correlation | None
    plcc: _Correlation | None
    error: _Share


class Fit(Part):
    """What a map was fitted on, and what it brought.

    Args:
        images: that have a label for the question.
        before: of raw answers.
        after: of calibrated answers, each by a map that was fitted without the image.
    """

    images: _Count
    before: Quality
    after: Quality


class QuestionCalibration(Part):
    """How the answers to one question are corrected: first for the prior, then by a map.

    Args:
        labels: in the pack's order.
        values: of an ordinal question's labels, 0..1 rising; None without order.
        prior: per label, the mean natural logarithm of its probability about images that show nothing. It is
            subtracted from the answer's, so that an image that shows nothing prefers no label.
        line: for yes and no.
        knots: of an ordinal question's score: straight between them, level beyond them, never falling.
        fit: None where only the prior is corrected.
    """

    question: Name
    labels: Annotated[tuple[Name, ...], Field(min_length=2, strict=False)]
    values: Annotated[tuple[_Share, ...], Field(strict=False)] | None = None
    prior: Annotated[tuple[_LogProbability, ...], Field(strict=False)] | None = None
    line: LogitLine | None = None
    knots: Annotated[tuple[Knot, ...], Field(min_length=2, max_length=MAX_KNOTS, strict=False)] | None = None
    fit: Fit | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if faults := tuple(self._faults()):
            raise ValueError(f"'{self.question}': {'; '.join(faults)}")
        return self

    def _faults(self) -> Iterator[str]:
        for what, given in (("values", self.values), ("prior", self.prior)):
            if given is not None and len(given) != len(self.labels):
                yield f"{len(given)} {what} for {len(self.labels)} labels"
        if len(set(self.labels)) < len(self.labels):
            yield "labels are not distinct"
        if self.values is not None and not _rises(self.values):
            yield "values must rise"
        if self.line is not None and set(self.labels) != {"yes", "no"}:
            yield "a line is for yes and no"
        if self.knots is not None:
            if self.values is None:
                yield "knots are for a score, and labels without values have none"
            if not _rises([knot.score for knot in self.knots]):
                yield "the scores of knots must rise"
            if any(low.becomes > high.becomes for low, high in pairwise(self.knots)):
                yield "a map must not fall"


class CalibrationContent(Part):
    """Everything a calibration says; see `Calibration`.

    Args:
        name: which calibration.
        version: of it, from 1; a published version never changes.
        prompt_pack: id of the pack.
        pack_hash: content hash of the pack.
        fingerprint: of the answers that it was fitted on, and holds for.
        engine: name of the engine, for people.
        blank_images: images that show nothing, behind the priors.
        labelled_images: images with any label, behind the maps.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
    version: Annotated[int, Field(ge=1)]
    created: Utc
    prompt_pack: PackId
    pack_hash: _Digest
    fingerprint: Annotated[str, Field(min_length=1, max_length=128)]
    engine: Name
    blank_images: _Count
    labelled_images: _Count
    questions: Annotated[tuple[QuestionCalibration, ...], Field(min_length=1, strict=False)]

    @property
    def id(self) -> str:
        """`name-version`: what policies name."""
        return f"{self.name}-{self.version}"

    def sealed(self) -> "Calibration":
        """Return the calibration of this content, with its hash."""
        return Calibration.model_validate({**self.model_dump(), "content_hash": _hash_of(self)})


class Calibration(CalibrationContent):
    """A calibration as it is kept in files and in policies.

    Args:
        content_hash: sha256 of everything else.
    """

    content_hash: _Digest

    @model_validator(mode="after")
    def _is_unchanged(self) -> Self:
        names = [each.question for each in self.questions]
        if len(set(names)) < len(names):
            raise ValueError("a question is calibrated more than once")
        if self.content_hash != _hash_of(self):
            raise ValueError(
                f"the content of {self.id} is not what its content_hash was taken of: a calibration never "
                "changes; fit one under the next version instead"
            )
        return self

    def require(self, *, pack_hash: str, fingerprint: str) -> None:
        """Pass if it holds for these answers.

        Raises:
            CalibrationMismatchError: another pack was asked, or another engine answered.
        """
        if pack_hash != self.pack_hash:
            raise CalibrationMismatchError(
                f"calibration {self.id} was made for {self.prompt_pack}@{self.pack_hash[:12]}, and the pack "
                f"that is asked has the hash {pack_hash[:12]}: fit one for this pack"
            )
        if fingerprint != self.fingerprint:
            raise CalibrationMismatchError(
                f"calibration {self.id} was made for answers of engine {self.engine} with the fingerprint "
                f"{self.fingerprint[:12]}, and these have {fingerprint[:12]}: fit one for this engine, its "
                "weights and its hardware"
            )


def load_calibration(text: str) -> Calibration:
    """Return the calibration in a JSON document.

    Raises:
        InvalidCalibrationError: it is none, or it was changed; the message says where.
    """
    try:
        return Calibration.model_validate(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidCalibrationError(f"not a calibration: {error}") from None
    except ValidationError as error:
        faults = "".join(
            f"\n  {'.'.join(str(part) for part in fault['loc']) or 'document'}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise InvalidCalibrationError(f"not a calibration:{faults}") from None


def _rises(numbers: Sequence[float]) -> bool:
    return all(low < high for low, high in pairwise(numbers))


def _hash_of(content: CalibrationContent) -> str:
    plain = content.model_dump(mode="json", exclude={"content_hash"})
    return hashlib.sha256(
        json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    ).hexdigest()
