"""Packing is exact: what is asked together is answered as if it had been asked alone.

Source of the tolerance: DESIGN, budgets: packed and separate prefill agree within 1e-4 in float32.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gpu_worker.engines.engine import ScorableImage
from gpu_worker.engines.qwen3_vl.engine import Qwen3VlEngine
from gpu_worker.engines.qwen3_vl.loading import LoadedModel, load_checkpoint
from tests.engines.asking import WHOLE, a_pack, a_scorer, log_probabilities, numbers
from tests.engines.ordinary_api import OrdinaryApi, noise, worst

TOLERANCE = 1e-4
CLEARLY = 0.02
"""Logarithms that differ by this much differ: 200 times the tolerance."""

GRIDS = ((4, 6), (8, 8), (5, 9), (1, 12))


@pytest.mark.parametrize("questions", [1, 2, 5, 8])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_packed_answers_equal_one_full_prefill_per_question(
    loaded: LoadedModel, ordinary: OrdinaryApi, grid: tuple[int, int], questions: int
) -> None:
    """Positions, mask, padding, cached preamble and preprocessing together change nothing."""
    pack, image = a_pack(questions), noise(*grid)

    packed = log_probabilities(numbers(a_scorer(loaded, pack), image)[0], pack)

    assert worst(packed, ordinary.log_probabilities(image, pack)) < TOLERANCE


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_preamble_computed_once_equals_preamble_computed_with_every_image(
    loaded: LoadedModel, grid: tuple[int, int]
) -> None:
    """What precedes the image is worth computing once only if nobody can tell."""
    image = noise(*grid)

    once, inline = (numbers(a_scorer(loaded, caches_preamble=cached), image) for cached in (True, False))

    assert torch.allclose(once, inline, rtol=0, atol=TOLERANCE)


def test_label_mass_is_the_labels_share_of_the_whole_vocabulary(
    loaded: LoadedModel, ordinary: OrdinaryApi
) -> None:
    """The health metric is what the ordinary model would say: it notices a prompt that does not fit."""
    image = noise(6, 7)
    found = numbers(a_scorer(loaded), image)[0, :, -1]

    for mass, question in zip(found, WHOLE.questions, strict=True):
        every = ordinary.last_logits(image, ordinary.rendered(WHOLE.preamble, question)).softmax(-1)
        assert float(mass) == pytest.approx(float(every[ordinary.label_ids(question)].sum()), abs=TOLERANCE)


def test_another_image_and_another_question_change_the_answer(loaded: LoadedModel) -> None:
    """The comparisons above are not vacuous: answers follow image and question by a clear margin."""
    first, second = numbers(a_scorer(loaded), noise(8, 8, seed=1), noise(8, 8, seed=2))
    reworded = replace(WHOLE.questions[3], text="Is it raining?")
    other_pack = replace(WHOLE, questions=(*WHOLE.questions[:3], reworded, *WHOLE.questions[4:]))
    (other,) = numbers(a_scorer(loaded, other_pack), noise(8, 8, seed=1))

    one, two, three = (log_probabilities(each, WHOLE) for each in (first, second, other))
    assert min(worst([a], [b]) for a, b in zip(one, two, strict=True)) > CLEARLY
    assert worst(one[3:4], three[3:4]) > CLEARLY
    assert worst([*one[:3], *one[4:]], [*three[:3], *three[4:]]) < TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_slot_and_mates_change_no_bit(checkpoint: Path, dtype: torch.dtype) -> None:
    """At a fixed shape an image's answers depend on nothing but itself, down to the last bit."""
    scorer = a_scorer(load_checkpoint(checkpoint, torch.device("cpu"), dtype=dtype))
    image = noise(7, 9)
    mates = [noise(*grid, seed=seed) for seed, grid in enumerate(GRIDS[:3], start=10)]

    alone = numbers(scorer, image, image, image)[0]

    for slot in range(3):
        batch = [*mates[:slot], image, *mates[slot:2]]
        assert torch.equal(numbers(scorer, *batch)[slot], alone)


def test_repeat_is_bitwise_equal_whatever_was_asked_in_between(loaded: LoadedModel) -> None:
    """Nothing is left behind by a pass: not in a cache, not in the model."""
    scorer, image = a_scorer(loaded), noise(8, 8)
    before = numbers(scorer, image)

    numbers(a_scorer(loaded, a_pack(2)), noise(3, 4, seed=7))
    numbers(scorer, noise(10, 9, seed=8))

    assert torch.equal(numbers(scorer, image), before)


def test_part_of_a_pack_is_answered_as_in_the_whole(loaded: LoadedModel) -> None:
    """A partial replay asks what is missing: its answers stand beside those that were kept."""
    engine, image = Qwen3VlEngine(loaded, micro_batch=1), ScorableImage(pixels=noise(9, 10))
    whole = engine.answer([image], WHOLE)[0]
    some = WHOLE.without({"photograph", "noise", "overall_quality"})

    partial = engine.answer([image], some)[0]

    assert partial.fingerprint == whole.fingerprint
    for question in some.questions:
        assert partial[question.id].probabilities == pytest.approx(
            whole[question.id].probabilities, abs=TOLERANCE
        )


def test_order_of_questions_does_not_matter(loaded: LoadedModel) -> None:
    """No question sees another, whichever stands first."""
    image = noise(8, 8)
    backwards = replace(WHOLE, questions=WHOLE.questions[::-1])

    assert torch.allclose(
        numbers(a_scorer(loaded), image)[0],
        numbers(a_scorer(loaded, backwards), image)[0].flip(0),
        rtol=0,
        atol=TOLERANCE,
    )


def test_bucket_does_not_change_the_answer(loaded: LoadedModel) -> None:
    """Padding is invisible: a larger bucket gives the same answers."""
    scorer, image = a_scorer(loaded), noise(8, 8)

    small, large = (numbers(scorer, image, visual_tokens=tokens) for tokens in (64, 192))

    assert torch.allclose(small, large, rtol=0, atol=TOLERANCE)
