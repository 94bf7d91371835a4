"""What goes wrong without an error: each was observed, each is met by a check or by how we call the model.

Source: shared notes on scoring, "what works / pitfalls"; numbers in the docstrings are theirs.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import DynamicCache
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault
from gpu_worker.engines.qwen3_vl.attention import tree_mask
from gpu_worker.engines.qwen3_vl.loading import LoadedModel, load_checkpoint
from gpu_worker.engines.qwen3_vl.patches import LinearPatchEmbed
from gpu_worker.engines.qwen3_vl.prompt import prompt_of
from gpu_worker.engines.qwen3_vl.scorer import prepare
from tests.engines.asking import WHOLE, a_scorer, numbers
from tests.engines.ordinary_api import OrdinaryApi, noise

CPU = torch.device("cpu")


@contextmanager
def attending_by(model: Qwen3VLForConditionalGeneration, implementation: str) -> Iterator[None]:
    """Let the text part attend by another implementation for a while."""
    config = model.model.language_model.config
    before, config._attn_implementation = config._attn_implementation, implementation
    try:
        yield
    finally:
        config._attn_implementation = before


def unreachable(*_args: object) -> None:
    """Take the place of what must not be called."""
    raise AssertionError("this must not be called")


@pytest.mark.parametrize("implementation", ["eager", "flex_attention", "flash_attention_2"])
def test_model_that_does_not_attend_by_sdpa_is_refused(checkpoint: Path, implementation: str) -> None:
    """Pitfalls 1 and 2: only sdpa takes a tree mask for what it is."""
    model = load_checkpoint(checkpoint, CPU).model

    with attending_by(model, implementation), pytest.raises(CheckpointError, match=implementation) as refused:
        prepare(model)

    assert refused.value.fault is CheckpointFault.WRONG_ATTENTION


def test_eager_attention_would_be_wrong_without_an_error(checkpoint: Path) -> None:
    """Pitfall 1: `eager` adds the boolean mask to the logits; this is why the check above exists."""
    loaded = load_checkpoint(checkpoint, CPU)
    scorer, image = a_scorer(loaded), noise(8, 8)
    right = numbers(scorer, image)

    with attending_by(loaded.model, "eager"):
        wrong = numbers(scorer, image)

    assert float((wrong - right).abs().max()) > 0.02


def test_positions_are_not_taken_from_what_another_image_left_behind(
    checkpoint: Path, ordinary: OrdinaryApi
) -> None:
    """Pitfall 3: the model keeps `rope_deltas` of the last image it saw: wrong by 0.89."""
    loaded = load_checkpoint(checkpoint, CPU)
    scorer, image = a_scorer(loaded), noise(8, 8)
    fresh = numbers(scorer, image)
    ordinary.last_logits(noise(3, 11), ordinary.rendered("", WHOLE.questions[0]))
    assert ordinary.model.model.rope_deltas is not None  # what the ordinary way leaves behind

    loaded.model.model.rope_deltas = ordinary.model.model.rope_deltas + 1000

    assert torch.equal(numbers(scorer, image), fresh)


def test_head_is_applied_to_answers_alone_and_not_by_the_model(checkpoint: Path) -> None:
    """Pitfall 4: `logits_to_keep` picks other tokens in other versions: it is not used, nor is the head."""
    loaded = load_checkpoint(checkpoint, CPU)
    loaded.model.lm_head.register_forward_pre_hook(unreachable)
    loaded.model.register_forward_pre_hook(unreachable)

    assert torch.isfinite(numbers(a_scorer(loaded), noise(8, 8))).all()


def test_cached_preamble_does_not_grow(loaded: LoadedModel) -> None:
    """Pitfall 5: a cache grows in place with every pass that is given it."""
    scorer, image = a_scorer(loaded), noise(8, 8)
    tokens = len(prompt_of(WHOLE, loaded.tokenizer).tokens.preamble)

    numbers(scorer, image)
    numbers(scorer, image, image)

    assert {keys.shape[:3] for keys, _ in scorer._preamble} == {(1, 2, tokens)}
    grown = DynamicCache()
    for layer, (keys, values) in enumerate(scorer._preamble):
        grown.update(keys, values, layer)
        grown.update(keys, values, layer)
    assert grown.get_seq_length() == 2 * tokens  # the library's cache does grow


def test_text_can_open_neither_an_image_nor_a_turn(loaded: LoadedModel) -> None:
    """Pitfall 5: a placeholder in a text would be given an image's features, and a turn marker would obey."""
    tokenizer = loaded.tokenizer
    prompt_of(WHOLE, tokenizer)  # whatever a scorer does to the tokenizer

    for control in ("<|image_pad|>", "<|im_start|>", "<|im_end|>"):
        assert tokenizer.token_to_id(control) not in tokenizer.encode(f"a {control} b").ids


def test_padding_has_something_to_see_and_stays_finite(loaded: LoadedModel) -> None:
    """Pitfall 6: a query without any key becomes NaN in some kernels, and NaN poisons the answers too."""
    segments = torch.tensor([[0, 0, 1, 2, -1, -1]])
    hidden: list[torch.Tensor] = []
    hook = loaded.model.model.language_model.register_forward_hook(
        lambda _module, _args, out: hidden.append(out.last_hidden_state)
    )

    numbers(a_scorer(loaded, caches_preamble=False), noise(2, 3))
    hook.remove()

    assert tree_mask(segments).any(dim=-1).all()
    assert torch.isfinite(hidden[0]).all()


def test_configuration_as_published_means_the_same(
    checkpoint: Path, loaded: LoadedModel, tmp_path: Path
) -> None:
    """Pitfall 7: the published file has `rope_scaling` and `rope_theta`, a newer one `rope_parameters`."""
    published = shutil.copytree(checkpoint, tmp_path / "published")
    config = json.loads((published / "config.json").read_text())
    rope = config["text_config"].pop("rope_parameters")
    config["text_config"]["rope_theta"] = rope["rope_theta"]
    config["text_config"]["rope_scaling"] = {
        "mrope_interleaved": True,
        "mrope_section": rope["mrope_section"],
        "rope_type": "default",
    }
    config["vision_config"].pop("rope_parameters", None)
    (published / "config.json").write_text(json.dumps(config))

    image = noise(8, 8)
    assert torch.equal(
        numbers(a_scorer(load_checkpoint(published, CPU)), image), numbers(a_scorer(loaded), image)
    )


def test_patch_embedding_is_a_matrix_product_that_gives_the_convolutions_numbers(
    checkpoint: Path, ordinary: OrdinaryApi
) -> None:
    """Section 1: as a convolution it takes seconds on some GPUs; the product is the same but for rounding."""
    model = load_checkpoint(checkpoint, CPU).model
    prepare(model)
    patches = ordinary.seen(noise(5, 6))["pixel_values"]
    product = model.model.visual.patch_embed
    assert isinstance(product, LinearPatchEmbed)
    assert isinstance(product.proj, nn.Conv3d)
    product.proj.register_forward_pre_hook(unreachable)

    expected = ordinary.model.model.visual.patch_embed(patches)
    assert torch.allclose(product(patches), expected, rtol=0, atol=1e-4)
