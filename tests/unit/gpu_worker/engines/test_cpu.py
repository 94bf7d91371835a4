"""The cpu engine: what is better scores higher, whatever the picture."""

from dataclasses import replace
from itertools import pairwise
from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_worker.engines.content_model import model_from_json, shipped_content_model
from gpu_worker.engines.cpu import CpuEngine
from gpu_worker.engines.engine import ScorableImage, engine_named
from gpu_worker.engines.image_quality import quality_scores
from gpu_worker.engines.image_statistics import at_common_size
from gpu_worker.prompts.pack import Label, PromptPack, Question, QuestionKind, shipped_pack
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.truth.answers import Answers
from parjanya_dagster.policies.shipped import shipped_policy
from tests.unit.gpu_worker.engines.pictures import (
    Pixels,
    a_page,
    a_scene,
    blurred,
    coloured,
    exposed,
    flattened,
    noisy,
    scorable,
)

PACK = shipped_pack()
ENGINE = CpuEngine(shipped_content_model())
seeds = st.integers(min_value=0, max_value=10_000)
generated = settings(max_examples=12, deadline=None)


def answered(*pictures: Pixels) -> list[Answers]:
    """Return the answers about pictures."""
    return ENGINE.answer([scorable(pixels) for pixels in pictures], PACK)


def scores(question: str, *pictures: Pixels) -> list[float]:
    """Return one score per picture."""
    return [quality_scores(scorable(pixels).native, pixels)[question] for pixels in pictures]


@generated
@given(seeds)
def test_sharpness_when_blur_grows_falls(seed: int) -> None:
    """Focus is what photographers are judged by first."""
    scene = a_scene(seed)

    falling = scores("sharpness", scene, *(blurred(scene, radius) for radius in (1, 2, 4)))

    assert falling == sorted(falling, reverse=True)
    assert falling[0] > falling[2] + 0.2


@generated
@given(seeds)
def test_noise_score_when_noise_grows_falls(seed: int) -> None:
    """Excellent means clean."""
    scene = blurred(a_scene(seed), 1)

    falling = scores("noise", scene, *(noisy(scene, levels, seed) for levels in (4, 10, 25)))

    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < 0.15


@generated
@given(seeds)
def test_noise_does_not_pass_for_sharpness(seed: int) -> None:
    """A blurred and noisy picture has detail, but not the subject's."""
    soft = blurred(a_scene(seed), 3)

    sharp, soft_and_noisy = scores("sharpness", a_scene(seed), noisy(soft, 12, seed))

    assert soft_and_noisy < sharp - 0.2


@generated
@given(seeds, st.sampled_from([(-1, -2, -3, -4), (1, 2, 3)]))
def test_exposure_when_it_misses_by_more_stops_falls(seed: int, stops: tuple[int, ...]) -> None:
    """Too dark and too bright are both wrong, and more so with every stop."""
    scene = a_scene(seed)

    falling = scores("exposure", scene, *(exposed(scene, stop) for stop in stops))

    assert all(after <= before + 0.05 for before, after in pairwise(falling))
    assert falling[-1] < falling[0] - 0.3


@generated
@given(seeds)
def test_colourfulness_when_colours_fade_falls_to_nothing(seed: int) -> None:
    """Greys have none."""
    scene = a_scene(seed)

    falling = scores("colourfulness", scene, *(coloured(scene, share) for share in (0.6, 0.3, 0)))

    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < 0.02


@generated
@given(seeds)
def test_contrast_when_tones_are_squeezed_falls(seed: int) -> None:
    """A veil over everything is less contrast."""
    scene = a_scene(seed)

    falling = scores("contrast", scene, *(flattened(scene, share) for share in (0.6, 0.3, 0.1)))

    assert falling == sorted(falling, reverse=True)


@generated
@given(seeds)
def test_overall_quality_of_a_spoilt_copy_is_below_the_original(seed: int) -> None:
    """Whatever the flaw, the sound photo comes first."""
    scene = a_scene(seed)
    spoilt = (blurred(scene, 3), noisy(scene, 25, seed), exposed(scene, -3), exposed(scene, 3))

    sound, *flawed = scores("overall_quality", scene, *spoilt)

    assert max(flawed) < sound


@generated
@given(seeds, st.sampled_from([(32, 32), (480, 320), (2048, 32), (32, 1600)]))
def test_answers_are_distributions_in_every_shape(seed: int, size: tuple[int, int]) -> None:
    """A panorama or a thumbnail gets the same form of answer as everything else."""
    answers = answered(a_scene(seed, width=size[0], height=size[1]))[0]

    assert set(answers.by_question) == {question.id for question in PACK.questions}
    for answer in answers.by_question.values():
        assert fsum(answer.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_colour_is_answered_and_is_no_photograph(level: int) -> None:
    """A lens cap or an empty page divides nothing by zero."""
    answers = answered(np.full((320, 480, 3), level, np.uint8))[0]

    assert answers["photograph"].probabilities["yes"] < 0.45


def test_scene_is_a_photograph_and_a_page_is_not() -> None:
    """The judgement that everything else hangs on."""
    scene, page = answered(a_scene(1), a_page())

    assert scene["photograph"].probabilities["yes"] > 0.55
    assert scene["text_heavy"].probabilities["yes"] < 0.5
    assert page["photograph"].probabilities["yes"] < 0.45
    assert page["text_heavy"].probabilities["yes"] > 0.8


def test_content_class_never_contradicts_photograph() -> None:
    """Two answers about one thing are one answer."""
    for answers in answered(a_scene(1), a_page()):
        yes = answers["photograph"].probabilities["yes"]
        assert answers["content_class"].probabilities["photo"] == pytest.approx(yes)


def test_rating_has_exactly_the_measured_score_as_its_mean() -> None:
    """Spreading a score over five words changes nothing about it."""
    image = scorable(a_scene(1))

    answers = ENGINE.answer([image], PACK)[0]

    for question, score in quality_scores(image.native, at_common_size(image.pixels)).items():
        assert answers.scores()[question] == pytest.approx(score)


def test_answers_do_not_depend_on_batch_mates() -> None:
    """An image is judged alike alone and among others."""
    together = answered(a_scene(1), a_page(), a_scene(2))

    assert together[2] == answered(a_scene(2))[0]


def test_sharpness_is_read_from_the_original_not_from_the_grid() -> None:
    """A soft 24-megapixel photo looks sharp at half a megapixel; ingest's statistics know better."""
    sharp = scorable(a_scene(1))
    soft = replace(sharp, native=scorable(blurred(a_scene(1), 3)).native)

    before, after = ENGINE.answer([sharp, soft], PACK)

    assert after.scores()["sharpness"] < before.scores()["sharpness"] - 0.2


def test_image_without_native_statistics_is_measured_at_the_grid() -> None:
    """Facts from before a statistic existed are no reason to fail."""
    pixels = a_scene(1)

    bare = ENGINE.answer([ScorableImage(pixels=pixels, native={"noise_sigma": 1.0})], PACK)[0]

    assert bare == answered(pixels)[0]


def test_cpu_engine_answers_what_the_house_policy_asks() -> None:
    """The shipped policy, pack and engine mean the same questions and labels."""
    policy = shipped_policy()
    answers = answered(a_scene(1))[0]

    assert policy.prompt_pack == PACK.id
    for question in policy.questions:
        assert set(answers[question.name].probabilities) == set(question.labels)
        assert (answers[question.name].score is not None) == question.ordinal


def test_fingerprint_when_pack_or_coefficients_change_changes() -> None:
    """Answers to other questions, or from other coefficients, are never carried over."""
    other_pack = replace(PACK, content_hash="0" * 64)
    other_model = CpuEngine(replace(shipped_content_model(), content_hash="0" * 64))

    digests = {ENGINE.fingerprint(PACK), ENGINE.fingerprint(other_pack), other_model.fingerprint(PACK)}

    assert len(digests) == 3
    assert answered(a_scene(1))[0].fingerprint in digests


@pytest.mark.parametrize(
    ("question_id", "kind"), [("beauty", QuestionKind.ORDINAL), ("smiling", QuestionKind.YES_NO)]
)
def test_cpu_engine_when_asked_what_cannot_be_measured_refuses(question_id: str, kind: QuestionKind) -> None:
    """A baseline that guessed would be worse than none."""
    values = (0.0, 1.0) if kind is QuestionKind.ORDINAL else (None, None)
    labels = tuple(Label(name=n, token=n, value=v) for n, v in zip(("no", "yes"), values, strict=True))
    question = Question(id=question_id, kind=kind, text="?", stem="", labels=labels)
    pack = PromptPack(name="t", version=1, preamble="", questions=(question,), content_hash="0")

    with pytest.raises(ConfigError, match=question_id):
        ENGINE.answer([scorable(a_scene(1))], pack)


def test_engine_when_named_is_made_and_when_unknown_names_the_known() -> None:
    """A typing error in a setting says what to type."""
    assert engine_named("cpu").name == "cpu"
    with pytest.raises(ConfigError, match="choose one of cpu"):
        engine_named("gpu")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"statistics": ["a"], "mean": [0], "scale": [1]}'])
def test_content_model_that_is_none_is_refused(content: bytes) -> None:
    """A torn file judges nothing."""
    with pytest.raises(ConfigError, match="fit it again"):
        model_from_json(content)
