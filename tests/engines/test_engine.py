"""The engine behind the interface: images in, answers out, whatever their number, sizes and the memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from math import fsum
from pathlib import Path

import pytest
import torch

from gpu_worker.engines.engine import EngineOptions, EngineOutOfMemoryError, ScorableImage, engine_named
from gpu_worker.engines.qwen3_vl.engine import Qwen3VlEngine
from gpu_worker.engines.qwen3_vl.loading import LoadedModel
from parjanya_dagster.core.errors import ConfigError
from tests.engines.asking import WHOLE, a_pack, a_scorer, log_probabilities, numbers
from tests.engines.ordinary_api import noise, worst

SMALL, LARGE = (8, 8), (9, 14)  # 64 and 126 visual tokens: buckets of 64 and 128
PATCHES = 4 * 128
"""Of one image in the larger bucket."""


def an_image(rows: int, columns: int, *, seed: int = 0) -> ScorableImage:
    """Return an image of so many visual tokens."""
    return ScorableImage(pixels=noise(rows, columns, seed=seed))


def an_allocation_that_fails() -> None:
    """Ask the CPU for a pebibyte."""
    torch.empty(2**50, dtype=torch.uint8)


def a_gpu_without_memory() -> None:
    """Fail as a GPU does."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


@contextmanager
def room_for(loaded: LoadedModel, patches: int, fail: Callable[[], None]) -> Iterator[list[int]]:
    """Let the vision tower fail on more patches than that; yield how many each pass had."""
    tried: list[int] = []

    def check(_tower: torch.nn.Module, seen: tuple[torch.Tensor]) -> None:
        tried.append(len(seen[0]))
        if len(seen[0]) > patches:
            fail()

    hook = loaded.model.model.visual.register_forward_pre_hook(check)
    try:
        yield tried
    finally:
        hook.remove()


def test_engine_by_name_answers_with_the_checkpoint_in_a_folder(checkpoint: Path) -> None:
    """The worker's only way to an engine: its name and options; the answers name what produced them."""
    engine = engine_named("qwen3_vl", EngineOptions(model=checkpoint, device="cpu", micro_batch=2))

    (answers,) = engine.answer([an_image(*SMALL)], WHOLE)

    assert engine.name == "qwen3_vl"
    assert answers.fingerprint == engine.fingerprint(WHOLE)
    assert list(answers.by_question) == [question.id for question in WHOLE.questions]
    for question in WHOLE.questions:
        answer = answers[question.id]
        assert tuple(answer.probabilities) == question.label_names
        assert fsum(answer.probabilities.values()) == pytest.approx(1)
        assert 0 < answer.label_mass < 1
        assert (answer.score is None) == (question.values is None)


def test_engine_without_a_checkpoint_is_refused() -> None:
    """A worker that was told to use a model says which setting is missing."""
    with pytest.raises(ConfigError, match="PARJANYA_WORKER_MODEL"):
        engine_named("qwen3_vl", EngineOptions(device="cpu"))


def test_images_of_all_sizes_come_back_in_order_and_as_if_alone(loaded: LoadedModel) -> None:
    """Bucketing and filling up are the engine's own business, and invisible down to the last bit."""
    engine = Qwen3VlEngine(loaded, micro_batch=2)
    images = [an_image(*grid, seed=seed) for seed, grid in enumerate((SMALL, LARGE, (14, 9), SMALL, (7, 10)))]

    together = engine.answer(images, WHOLE)

    assert together == [engine.answer([image], WHOLE)[0] for image in images]
    assert len({repr(each) for each in together}) == len(images)
    assert engine.answer([], WHOLE) == []


def test_every_pass_of_a_bucket_has_the_same_shape(loaded: LoadedModel) -> None:
    """Answers repeat bit by bit because a GPU runs the same kernels, however many images there are."""
    engine = Qwen3VlEngine(loaded, micro_batch=3)

    with room_for(loaded, 10**9, a_gpu_without_memory) as tried:
        for count in (1, 3, 5):
            engine.answer([an_image(*LARGE)] * count, a_pack(1))

    assert tried == [3 * PATCHES] * 4


def test_answers_equal_the_scorers_numbers(loaded: LoadedModel) -> None:
    """Nothing is lost or swapped between the pass and the answers."""
    image = an_image(*SMALL)

    (answers,) = Qwen3VlEngine(loaded, micro_batch=1).answer([image], WHOLE)

    expected = log_probabilities(numbers(a_scorer(loaded), image.pixels, visual_tokens=64)[0], WHOLE)
    found = [
        torch.tensor([answers[question.id].probabilities[name] for name in question.label_names]).log()
        for question in WHOLE.questions
    ]
    assert worst(found, expected) < 1e-5


def test_bucket_follows_from_the_images_own_size(loaded: LoadedModel) -> None:
    """What a pass costs is known before it is planned, and the same for an image whoever comes with it."""
    engine = Qwen3VlEngine(loaded)

    buckets = [engine.bucket_of(an_image(*grid)) for grid in (SMALL, LARGE, (14, 9), (24, 24), (60, 60))]

    assert buckets == ["64 tokens", "128 tokens", "128 tokens", "576 tokens", "576 tokens"]


def test_fewer_pixels_are_another_fingerprint_and_a_smaller_pass(loaded: LoadedModel) -> None:
    """Answers from fewer pixels are never compared with the usual ones by mistake."""
    engine = Qwen3VlEngine(loaded, micro_batch=1)
    image = an_image(24, 24)

    with room_for(loaded, 10**9, a_gpu_without_memory) as tried:
        found = {
            budget: engine.answer([image], a_pack(1), pixel_budget=budget)[0]
            for budget in engine.pixel_budgets
        }

    assert list(engine.pixel_budgets) == sorted(engine.pixel_budgets, reverse=True)
    assert len({answers.fingerprint for answers in found.values()}) == 3
    assert found[589_824] == engine.answer([image], a_pack(1))[0]
    assert all(larger > smaller for larger, smaller in pairwise(tried))
    with pytest.raises(ConfigError, match="1000000 pixels"):
        engine.answer([image], a_pack(1), pixel_budget=1_000_000)


@pytest.mark.parametrize("fail", [an_allocation_that_fails, a_gpu_without_memory])
def test_pass_that_does_not_fit_is_made_smaller_and_stays_smaller(
    loaded: LoadedModel, fail: Callable[[], None]
) -> None:
    """Memory for two images at once scores eight, in the same order, and is not overrun again."""
    engine = Qwen3VlEngine(loaded, micro_batch=8)
    images = [an_image(*LARGE, seed=seed) for seed in range(5)] + [an_image(*SMALL)]

    with room_for(loaded, 2 * PATCHES, fail) as tried:
        first = engine.answer(images, a_pack(2))
        before = len(tried)
        engine.answer(images[:3], a_pack(2))

    assert first[:5] == Qwen3VlEngine(loaded, micro_batch=2).answer(images[:5], a_pack(2))
    assert tried[:before] == [8 * PATCHES, 4 * PATCHES, *[2 * PATCHES] * 3, 4 * PATCHES, 2 * PATCHES]
    assert tried[before:] == [2 * PATCHES] * 2


def test_image_that_does_not_fit_alone_is_out_of_memory_and_fits_with_fewer_pixels(
    loaded: LoadedModel,
) -> None:
    """The next rung is the caller's: fewer pixels, under another fingerprint."""
    engine = Qwen3VlEngine(loaded, micro_batch=2)
    image = an_image(24, 24)

    with room_for(loaded, 4 * 350, a_gpu_without_memory):
        with pytest.raises(EngineOutOfMemoryError, match="576 tokens"):
            engine.answer([image], a_pack(1))
        (answers,) = engine.answer([image], a_pack(1), pixel_budget=engine.pixel_budgets[1])

    assert answers.fingerprint == engine.fingerprint(a_pack(1), pixel_budget=engine.pixel_budgets[1])


def test_other_failure_is_not_taken_for_want_of_memory(loaded: LoadedModel) -> None:
    """A broken kernel is not answered with ever smaller batches."""

    def broken() -> None:
        raise RuntimeError("device-side assert triggered")

    with room_for(loaded, 0, broken) as tried, pytest.raises(RuntimeError, match="device-side"):
        Qwen3VlEngine(loaded, micro_batch=4).answer([an_image(*SMALL)], a_pack(1))

    assert len(tried) == 1


def test_fingerprint_names_everything_that_can_change_an_answer(loaded: LoadedModel) -> None:
    """Weights, pack, pixels, buckets, arithmetic, code and machine: a difference in any is seen and named."""
    engine = Qwen3VlEngine(loaded)
    usual = engine.fingerprint_parts(WHOLE)

    assert usual.weights == loaded.weights
    assert usual.prompt_pack == WHOLE.fingerprint_part
    assert (usual.dtype, usual.hardware) == ("float32", "cpu")
    assert f"torch-{torch.__version__}" in usual.engine
    assert engine.fingerprint(WHOLE) == usual.digest
    other = Qwen3VlEngine(replace(loaded, weights="sampled:others"))
    assert other.fingerprint(WHOLE) != usual.digest


def test_sets_of_questions_are_kept_within_bounds(loaded: LoadedModel) -> None:
    """Partial replays ask many different sets: each is compiled once, and the oldest is dropped."""
    engine = Qwen3VlEngine(loaded, micro_batch=1, caches_preamble=False)
    ids = [question.id for question in WHOLE.questions]

    for at in range(20):
        asked = WHOLE.without({name for bit, name in enumerate(ids) if at >> bit & 1})
        engine._scorer(asked)
        assert engine._scorer(asked) is engine._scorer(asked)

    assert len(engine._scorers) == 16
