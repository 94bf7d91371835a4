"""Fitting: what an engine does wrong is found in its answers; where little is known, nothing is invented."""

import math
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from gpu_worker.calibration.blanks import BLANK_IMAGES, blank_images
from gpu_worker.calibration.fit import Identity, Labelled, fit_calibration
from gpu_worker.calibration.maps import CannotFitError
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from parjanya_dagster.core.policy.calibrated_facts import calibrated_facts
from parjanya_dagster.core.policy.calibration import Calibration, load_calibration
from parjanya_dagster.core.truth.answers import Answer, Answers
from tests.calibration_builders import FINGERPRINT, NOON
from tests.unit.gpu_worker.calibration.frames import facts_frame

PACK = shipped_pack("photo-1")
ME = Identity(name="test", version=1, created=NOON, engine="scripted", fingerprint=FINGERPRINT)
NAMES = ("photograph", "light", "content_class")
FEW = PACK.without({each.id for each in PACK.questions} - set(NAMES))
BIAS = {"photograph": (0.9, 0.1), "light": (0.05, 0.1, 0.15, 0.3, 0.4), "content_class": (0.3, *[0.1] * 7)}


def answers(*, fingerprint: str = FINGERPRINT, **shares: tuple[float, ...]) -> Answers:
    """Return answers to `FEW`: the engine's habit where nothing else is given."""
    return Answers.of(
        *(
            Answer.from_probabilities(
                each.id,
                dict(zip(each.label_names, shares.get(each.id, BIAS[each.id]), strict=True)),
                values=each.values,
            )
            for each in FEW.questions
        ),
        fingerprint=fingerprint,
    )


def rated(score: float) -> tuple[float, ...]:
    """Return a distribution over five labels with this mean."""
    return tuple(math.comb(4, k) * score**k * (1 - score) ** (4 - k) for k in range(5))


def fitted(
    *labelled: Labelled, blanks: int = 0, pack: PromptPack = FEW, **shares: tuple[float, ...]
) -> Calibration:
    """Return what is fitted on these images and on so many blank ones."""
    return fit_calibration(ME, pack, blanks=[answers(**shares)] * blanks, labelled=labelled)


def overconfident(count: int = 400) -> list[Labelled]:
    """Return images about which the engine is surer than it is right."""
    random = np.random.default_rng(3)
    truth = random.uniform(0.05, 0.95, count)
    said = 1 / (1 + (1 / truth - 1) ** 3)
    labels = random.uniform(size=count) < truth
    return [
        Labelled(answers=answers(photograph=(float(p), 1 - float(p))), labels={"photograph": float(label)})
        for p, label in zip(said, labels, strict=True)
    ]


def severe(count: int) -> list[Labelled]:
    """Return images about which the engine is severer than people are, who agree in order."""
    random = np.random.default_rng(4)
    people = random.uniform(size=count)
    noise = random.normal(0, 0.03, count)
    said = np.clip(people**2 + noise, 0, 1)
    return [
        Labelled(answers=answers(light=rated(float(score))), labels={"light": float(label)})
        for score, label in zip(said, people, strict=True)
    ]


def test_prior_of_a_biased_engine_makes_blank_images_uniform() -> None:
    """What an engine says about nothing is its habit; without it, nothing is preferred."""
    found = fitted(blanks=4)

    frame = facts_frame([answers()], FINGERPRINT)
    facts = calibrated_facts(found.questions, frame.columns, fingerprint=FINGERPRINT)
    (row,) = facts.of(frame.lazy()).collect().rows(named=True)

    for question in FEW.questions:
        shares = [row[f"p_{question.id}_{label}"] for label in question.label_names]
        assert shares == pytest.approx([1 / len(shares)] * len(shares))
    assert row["score_light"] == pytest.approx(0.5)
    assert (found.blank_images, found.labelled_images) == (4, 0)
    assert all(each.fit is None and each.prior for each in found.questions)


def test_prior_is_finite_where_an_engine_is_certain_of_blank_images() -> None:
    """A stored 0 was less than half of the last digit, not never."""
    found = fitted(blanks=2, photograph=(0.0, 1.0))

    assert found.questions[0].prior == pytest.approx((math.log(5e-5), 0.0))
    assert load_calibration(found.model_dump_json()) == found


def test_overconfident_answers_are_toned_down() -> None:
    """The error falls on images that the map was not fitted on; the order of images stays."""
    (found,) = fitted(*overconfident()).questions

    assert found.line is not None
    assert found.fit is not None
    assert found.line.slope == pytest.approx(1 / 3, abs=0.08)
    assert found.fit.images == 400
    assert found.fit.after.error < found.fit.before.error / 2
    assert found.fit.after.srcc == pytest.approx(found.fit.before.srcc, abs=0.02)


@pytest.mark.parametrize(("count", "knots"), [(199, (2, 4)), (400, (8, 64))])
def test_severe_scores_are_raised_by_a_shape_only_where_labels_are_many(
    count: int, knots: tuple[int, int]
) -> None:
    """Below 200 labels a straight line, from there any rising shape; either comes nearer to people."""
    (found,) = fitted(*severe(count)).questions

    assert found.knots is not None
    assert found.fit is not None
    assert knots[0] <= len(found.knots) <= knots[1]
    assert found.fit.after.error < found.fit.before.error / 2
    assert (found.fit.after.srcc or 0) > 0.9


def test_map_is_fitted_on_what_the_prior_leaves() -> None:
    """Both corrections together are what rules will read."""
    found = fitted(*overconfident(), blanks=3)
    photograph = found.questions[0]

    assert photograph.prior == pytest.approx((math.log(0.9), math.log(0.1)), abs=1e-6)
    assert photograph.line is not None
    assert photograph.line.intercept == pytest.approx(photograph.line.slope * math.log(9), abs=0.3)
    assert [each.question for each in found.questions if each.line or each.knots] == ["photograph"]


def test_fitting_again_finds_the_same() -> None:
    """Folds are dealt by a fixed seed."""
    assert fitted(*overconfident(60)) == fitted(*overconfident(60))


@pytest.mark.parametrize(
    ("labelled", "complaint"),
    [
        (overconfident(29), "'photograph' has 29 labels; 30 are needed and 200 recommended"),
        (
            [Labelled(answers=answers(), labels={"photograph": float(at < 3)}) for at in range(40)],
            "'photograph' has 3 times yes and 37 times no; 5 of each are needed",
        ),
        (
            [
                Labelled(
                    answers=answers(photograph=(0.1, 0.9)[:: 1 if yes else -1]), labels={"photograph": yes}
                )
                for yes in (0.0, 1.0) * 40
            ],
            "'photograph': answers and labels run against each other; leave its column out",
        ),
        (
            [
                Labelled(answers=answers(fingerprint="other"), labels={"photograph": float(at % 2)})
                for at in range(40)
            ],
            "another fingerprint",
        ),
        ([], "neither blank images nor labels"),
    ],
)
def test_fit_without_grounds_is_refused_by_question(labelled: list[Labelled], complaint: str) -> None:
    """Too little, one-sided, contradictory or foreign: the message says which, and what to do."""
    with pytest.raises(CannotFitError, match=complaint):
        fitted(*labelled)


def test_blank_images_are_of_several_grids_and_always_the_same() -> None:
    """A prior that depends on the draw would be another one tomorrow."""
    files = list(blank_images())

    assert files == list(blank_images())
    assert len(set(files)) == len(files) == BLANK_IMAGES
    assert len({Image.open(BytesIO(file)).size for file in files}) == 4
