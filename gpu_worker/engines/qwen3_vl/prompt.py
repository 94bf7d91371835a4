"""From a prompt pack to token ids: the chat template's result, put together from parts that only we wrote.

    <|im_start|>system ⏎ PREAMBLE <|im_end|> ⏎ <|im_start|>user ⏎ <|vision_start|> · image · <|vision_end|>
    QUESTION <|im_end|> ⏎ <|im_start|>assistant ⏎ STEM ─▶ the label's token comes next

Control tokens are ids and texts are encoded as plain text, so that nothing that is written in a question can
open a turn; nothing from an image, its EXIF or its file name is in here at all. No template language runs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from tokenizers import Tokenizer

from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault
from gpu_worker.engines.packing import PackTokens
from gpu_worker.prompts.pack import PromptPack, Question

IMAGE_PLACEHOLDER: Final = "<|image_pad|>"

_TURN: Final = "<|im_start|>"
_END_OF_TURN: Final = "<|im_end|>"
_IMAGE: Final = "<|vision_start|>"
_END_OF_IMAGE: Final = "<|vision_end|>"
_QWEN_TURN_ID: Final = 151_644
"""Where Qwen's published vocabulary has `<|im_start|>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPrompt:
    """A prompt pack as the model gets it.

    Args:
        tokens: what is packed into rows.
        labels: per question the token ids of its labels, in the pack's order; distinct within a question.
    """

    tokens: PackTokens
    labels: tuple[tuple[int, ...], ...]


def prompt_of(pack: PromptPack, tokenizer: Tokenizer) -> PackPrompt:
    """Return a pack's token ids.

    Raises:
        CheckpointError: the tokenizer has no token for a turn or an image, or cannot tell labels apart.
    """
    tokenizer.encode_special_tokens = True  # what looks like a control token in a text is text
    turn, end, image, image_end = (
        _control_id(tokenizer, token) for token in (_TURN, _END_OF_TURN, _IMAGE, _END_OF_IMAGE)
    )

    def text(words: str) -> list[int]:
        return list(tokenizer.encode(words, add_special_tokens=False).ids)

    preamble = [turn, *text(f"system\n{pack.preamble}"), end, *text("\n"), turn, *text("user\n"), image]
    suffixes = tuple(
        (*text(each.text), end, *text("\n"), turn, *text(_opening(each))) for each in pack.questions
    )
    return PackPrompt(
        tokens=PackTokens(preamble=tuple(preamble), shared=(image_end,), suffixes=suffixes),
        labels=tuple(_label_ids(each, tokenizer) for each in pack.questions),
    )


def require_label_tokens(tokenizer: Tokenizer, expected: Mapping[str, int]) -> None:
    """Check that each text is one token, and which.

    Raises:
        CheckpointError: any is not; the message lists all of them.
    """
    wrong = {
        text: ids
        for text, token in expected.items()
        if (ids := tokenizer.encode(text, add_special_tokens=False).ids) != [token]
    }
    if wrong:
        found = ", ".join(f"'{text}' is {ids}, not {expected[text]}" for text, ids in wrong.items())
        raise CheckpointError(CheckpointFault.WRONG_TOKENS, f"the tokenizer is another one: {found}")


def published_label_tokens(tokenizer: Tokenizer) -> Mapping[str, int]:
    """Return label → token id as in Qwen's published vocabulary; nothing for another vocabulary."""
    if tokenizer.token_to_id(_TURN) != _QWEN_TURN_ID:
        return {}
    table = files("gpu_worker.engines.qwen3_vl").joinpath("label_tokens.json").read_text(encoding="utf-8")
    return {str(text): int(token) for text, token in json.loads(table).items()}


def _opening(question: Question) -> str:
    """Return the answer as it is begun for the model."""
    return f"assistant\n{question.stem}"


def _label_ids(question: Question, tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the token that each label begins with, once the answer has been begun."""
    opening = tokenizer.encode(_opening(question), add_special_tokens=False).ids
    firsts = []
    for label in question.labels:
        whole = tokenizer.encode(_opening(question) + label.token, add_special_tokens=False).ids
        if whole[: len(opening)] != opening or len(whole) == len(opening):
            raise CheckpointError(
                CheckpointFault.WRONG_TOKENS,
                f"'{label.token}' of question '{question.id}' melts into the stem before it, which "
                "would end in other tokens than the model is given: let the stem end without a space",
            )
        firsts.append(whole[len(opening)])
    if len(set(firsts)) < len(firsts):
        pairs = ", ".join(
            f"'{label.token}': {first}" for label, first in zip(question.labels, firsts, strict=True)
        )
        raise CheckpointError(
            CheckpointFault.WRONG_TOKENS, f"labels of question '{question.id}' begin alike ({pairs})"
        )
    return tuple(firsts)


def _control_id(tokenizer: Tokenizer, token: str) -> int:
    found = tokenizer.token_to_id(token)
    if found is None:
        raise CheckpointError(CheckpointFault.WRONG_TOKENS, f"the tokenizer has no {token}")
    return int(found)
