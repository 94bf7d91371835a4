"""The paper formulas against numbers that were counted from the published configuration another way."""

import pytest

pytest.importorskip("transformers", reason="the engine's libraries are an extra: install .[engine]")

from transformers import Qwen3VLConfig

from benchmarks.roofline import (
    PEAKS,
    QWEN3_VL_8B,
    Prompt,
    generate_s,
    geometry_of,
    packed_flops,
    peak_of,
    separate_flops,
    text_flops,
    vision_flops,
)

TERA = 1e12
PUBLISHED = Qwen3VLConfig(
    text_config={
        "vocab_size": 151_936,
        "hidden_size": 4096,
        "intermediate_size": 12_288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
    vision_config={
        "depth": 27,
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_heads": 16,
        "out_hidden_size": 4096,
        "deepstack_visual_indexes": [8, 16, 24],
    },
)


def _prompt(visual: int, *, questions: int = 12, suffix: int = 25, shared: int = 40) -> Prompt:
    return Prompt(visual=visual, shared=shared, questions=questions, suffix=suffix)


def test_geometry_of_the_published_configuration_has_its_counted_weights() -> None:
    """Weights come from shapes: they are those that were counted in the real model."""
    geometry = geometry_of(PUBLISHED)

    assert geometry == QWEN3_VL_8B
    assert (geometry.weights, geometry.head_weights) == (6_945_767_424, 622_329_856)
    assert geometry.vision_weights == 411_070_464
    assert geometry.merger_weights == pytest.approx(160_496_896, rel=1e-3)  # counted with norms and biases
    assert geometry.cache_values * 2 == 147_456  # bytes in bfloat16


@pytest.mark.parametrize(
    ("visual", "vision", "text", "one_question", "packed", "further"),
    [
        (256, 1.06, 5.69, 5.55, 9.43, 0.353),
        (576, 2.75, 10.24, 11.77, 15.71, 0.358),
        (1024, 5.80, 16.72, 21.28, 25.29, 0.364),
    ],
)
def test_operations_of_the_8b_model_equal_the_published_table(
    visual: int, *, vision: float, text: float, one_question: float, packed: float, further: float
) -> None:
    """The table of the notes, to the digits it is printed with, its head's rows for N questions apart."""
    whole_head = 2 * QWEN3_VL_8B.head_weights
    of_packed = packed_flops(QWEN3_VL_8B, _prompt(visual))
    of_one = separate_flops(QWEN3_VL_8B, _prompt(visual, questions=1), vision_passes=1)
    one_more = packed_flops(QWEN3_VL_8B, _prompt(visual, questions=13)) - of_packed

    assert vision_flops(QWEN3_VL_8B, visual) / TERA == pytest.approx(vision, abs=0.006)
    assert text_flops(QWEN3_VL_8B, visual + 150) / TERA == pytest.approx(text, abs=0.006)
    assert of_one / TERA == pytest.approx(one_question, abs=0.006)
    assert (of_packed + 12 * whole_head) / TERA == pytest.approx(packed, abs=0.006)
    assert (one_more + whole_head) / TERA == pytest.approx(further, abs=0.0006)


def test_packed_needs_a_ninth_of_separate_prompts_and_vision_once_lies_between() -> None:
    """Twelve prompts cost nine times one packed pass; keeping the vision alone recovers a quarter."""
    prompt = _prompt(576)
    packed = packed_flops(QWEN3_VL_8B, prompt)
    separate = separate_flops(QWEN3_VL_8B, prompt, vision_passes=12)
    vision_once = separate_flops(QWEN3_VL_8B, prompt, vision_passes=1)

    assert separate / packed == pytest.approx(9.0, abs=0.1)
    assert separate / vision_once == pytest.approx(1.27, abs=0.01)


def test_kept_tokens_cost_attention_alone() -> None:
    """A rubric before the image is computed once: an image pays for looking at it, not for its layers."""
    kept = Prompt(visual=576, shared=40, questions=12, suffix=25, kept=100)
    paid = Prompt(visual=576, shared=140, questions=12, suffix=25)
    without = packed_flops(QWEN3_VL_8B, _prompt(576))
    surplus = packed_flops(QWEN3_VL_8B, kept) - without

    assert 0 < surplus < 0.05 * (packed_flops(QWEN3_VL_8B, paid) - without)


@pytest.mark.parametrize(("device", "images_per_s"), [("L4", 0.097), ("A10G", 0.190), ("H100", 1.08)])
def test_generation_of_one_image_is_bound_by_memory(device: str, images_per_s: float) -> None:
    """200 tokens at batch 1 read all weights 200 times: the published limits, which left out biases."""
    prompt = Prompt(visual=576, shared=150, questions=0, suffix=0)

    limit_s = generate_s(QWEN3_VL_8B, prompt, PEAKS[device], new_tokens=200, batch=1)

    assert 1 / limit_s == pytest.approx(images_per_s, rel=0.01)


def test_devices_are_told_by_their_full_names() -> None:
    """An L40S is no L4, and an unknown device has no peak rather than a wrong one."""
    assert peak_of("NVIDIA L40S") == PEAKS["L40S"]
    assert peak_of("NVIDIA L4") == PEAKS["L4"]
    assert peak_of("NVIDIA H100 80GB HBM3") == PEAKS["H100"]
    assert peak_of("Tesla T4") is None
