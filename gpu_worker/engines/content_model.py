"""The content model: regularised logistic regression on image statistics, coefficients as data.

Small enough to read, deterministic, and fitted by `benchmarks/cpu_engine.py --fit` with sources held out. It
knows pixels only: no file name, format, size or EXIF.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from parjanya_dagster.core.errors import ConfigError

_REACH: Final = 4.0
"""Standard deviations beyond which a statistic says no more: one odd number must not decide."""

_Vector = npt.NDArray[np.float64]  # [statistics]


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """One linear score per label: `weights` [labels, statistics], `biases` [labels]."""

    labels: tuple[str, ...]
    weights: npt.NDArray[np.float64]
    biases: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentModel:
    """What an image is: photograph or not, and if not, what else.

    Args:
        statistics: names, in the order of the coefficients.
        mean: of each statistic over the training images.
        scale: standard deviation of each, > 0.
        photograph: one score, label `yes`.
        other_classes: the classes of what is no photograph.
        text_heavy: one score, label `yes`.
        content_hash: sha256 of the file it came from.
    """

    statistics: tuple[str, ...]
    mean: _Vector
    scale: _Vector
    photograph: Linear
    other_classes: Linear
    text_heavy: Linear
    content_hash: str

    def probabilities(self, statistics: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Return the distributions of `photograph`, `content_class` and `text_heavy`.

        `content_class` gives `photo` exactly the probability of `photograph`, so the two never disagree.
        """
        raw = np.array([statistics[name] for name in self.statistics])
        standard = np.clip((raw - self.mean) / self.scale, -_REACH, _REACH)
        is_photograph = _sigmoid(standard, self.photograph)
        is_text = _sigmoid(standard, self.text_heavy)
        others = _softmax(self.other_classes.weights @ standard + self.other_classes.biases)
        classes = {
            label: (1 - is_photograph) * float(p)
            for label, p in zip(self.other_classes.labels, others, strict=True)
        }
        return {
            "photograph": {"yes": is_photograph, "no": 1 - is_photograph},
            "content_class": {"photo": is_photograph, **classes},
            "text_heavy": {"yes": is_text, "no": 1 - is_text},
        }


def shipped_content_model() -> ContentModel:
    """Return the coefficients that came with the package.

    Raises:
        ConfigError: the file does not fit this code.
    """
    return model_from_json(files("gpu_worker.engines").joinpath("content_model.json").read_bytes())


def model_from_json(content: bytes) -> ContentModel:
    """Return the model of a JSON document.

    Raises:
        ConfigError: it is not one.
    """
    try:
        document = json.loads(content)
        model = ContentModel(
            statistics=tuple(document["statistics"]),
            mean=np.array(document["mean"], np.float64),
            scale=np.array(document["scale"], np.float64),
            photograph=_linear(document["photograph"]),
            other_classes=_linear(document["other_classes"]),
            text_heavy=_linear(document["text_heavy"]),
            content_hash=hashlib.sha256(content).hexdigest(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"not a content model: {error!r}; fit it again") from error
    for part in (model.photograph, model.other_classes, model.text_heavy):
        if part.weights.shape != (len(part.labels), len(model.statistics)):
            raise ConfigError(f"the content model has {part.weights.shape} weights; fit it again")
    return model


def _linear(document: Mapping[str, Any]) -> Linear:
    return Linear(
        labels=tuple(document["labels"]),
        weights=np.array(document["weights"], np.float64),
        biases=np.array(document["biases"], np.float64),
    )


def _sigmoid(standard: _Vector, linear: Linear) -> float:
    score = float(linear.weights[0] @ standard + linear.biases[0])
    return float(1 / (1 + np.exp(-np.clip(score, -30, 30))))


def _softmax(scores: _Vector) -> _Vector:
    raised: _Vector = np.exp(scores - scores.max())
    shares: _Vector = raised / raised.sum()
    return shares
