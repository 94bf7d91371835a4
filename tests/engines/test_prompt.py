"""The prompt is the chat template's, token by token, and labels can be told apart."""

import json
from dataclasses import replace
from importlib.resources import files

import pytest

from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault
from gpu_worker.engines.qwen3_vl.loading import LoadedModel
from gpu_worker.engines.qwen3_vl.prompt import prompt_of, published_label_tokens, require_label_tokens
from gpu_worker.prompts.pack import Label, PromptPack
from tests.engines.asking import WHOLE
from tests.engines.ordinary_api import OrdinaryApi
from tests.engines.tiny_checkpoint import CONTROL_TOKENS, label_words, tiny_tokenizer


def with_labels(*tokens: str, stem: str = "Category:") -> PromptPack:
    """Return a pack with one question that has these labels."""
    labels = tuple(Label(name=f"l{at}", token=token) for at, token in enumerate(tokens))
    return replace(WHOLE, questions=(replace(WHOLE.questions[2], labels=labels, stem=stem),))


def test_prompt_equals_the_chat_templates_token_by_token(loaded: LoadedModel, ordinary: OrdinaryApi) -> None:
    """Section 7: no template runs in the worker, so what it would have said is pinned here."""
    tokens = prompt_of(WHOLE, loaded.tokenizer).tokens
    image = ordinary.model.config.image_token_id

    for question, suffix in zip(WHOLE.questions, tokens.suffixes, strict=True):
        expected = ordinary.tokenizer.encode(
            ordinary.rendered(WHOLE.preamble, question), add_special_tokens=False
        )
        assert [*tokens.preamble, image, *tokens.shared, *suffix] == expected


def test_labels_are_read_at_their_first_tokens(loaded: LoadedModel) -> None:
    """An answer is the model's very next token."""
    prompt = prompt_of(WHOLE, loaded.tokenizer)

    for question, ids in zip(WHOLE.questions, prompt.labels, strict=True):
        assert [loaded.tokenizer.decode([token]) for token in ids] == [each.token for each in question.labels]


def test_labels_that_begin_alike_are_refused() -> None:
    """Section 3: ` 1` to ` 5` are two tokens each, and the first is the same."""
    with pytest.raises(CheckpointError, match="begin alike") as refused:
        prompt_of(with_labels(" 1", " 2"), tiny_tokenizer(label_words()))

    assert refused.value.fault is CheckpointFault.WRONG_TOKENS


def test_label_that_melts_into_the_stem_is_refused() -> None:
    """Section 3: a stem that ends in a space takes the space from the label, which is then another token."""
    tokenizer = tiny_tokenizer({*label_words(), " x"})

    prompt_of(with_labels(" x", " bad"), tokenizer)
    with pytest.raises(CheckpointError, match="melts into the stem"):
        prompt_of(with_labels("x", "bad", stem="Category: "), tokenizer)


@pytest.mark.parametrize("missing", ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"])
def test_tokenizer_without_a_control_token_is_refused(missing: str) -> None:
    """A tokenizer of another family would spell turns out as text."""
    tokenizer = tiny_tokenizer(label_words(), [token for token in CONTROL_TOKENS if token != missing])

    with pytest.raises(CheckpointError, match="has no"):
        prompt_of(WHOLE, tokenizer)


def test_label_that_is_another_token_than_expected_is_named(loaded: LoadedModel) -> None:
    """Section 3: expected ids are checked at the start, and the message says which differ."""
    good = loaded.tokenizer.encode(" good").ids[0]

    require_label_tokens(loaded.tokenizer, {" good": good})
    with pytest.raises(CheckpointError, match=f"' good' is \\[{good}\\], not 1661"):
        require_label_tokens(loaded.tokenizer, {" good": 1661})


def test_published_tokens_are_expected_of_the_published_vocabulary_alone(loaded: LoadedModel) -> None:
    """The table came from Qwen's vocabulary; another one is checked by its own manifest."""
    table = json.loads(files("gpu_worker.engines.qwen3_vl").joinpath("label_tokens.json").read_text())

    assert published_label_tokens(loaded.tokenizer) == {}
    assert label_words() <= set(table)
    assert len(set(table.values())) == len(table)
