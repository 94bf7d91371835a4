"""One forward pass per batch: every question about every image, and no token generated.

The model's parts are called one by one. Its own `forward` would work positions out from state that another
image left behind (`rope_deltas`), build a causal mask, and apply the head to every token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import DynamicCache
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration
from transformers.vision_utils import (
    get_vision_cu_seqlens,
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
)

from gpu_worker.engines.checkpoint import CheckpointError, CheckpointFault
from gpu_worker.engines.packing import PackedRow, PackTokens, TokenGrid, pack_row, row_length
from gpu_worker.engines.qwen3_vl.attention import tree_mask
from gpu_worker.engines.qwen3_vl.patches import (
    MERGE,
    LinearPatchEmbed,
    Patches,
    normalised,
    to_device,
)

_NEEDED: Final = "sdpa"
"""It takes a boolean mask for what it is. `eager` adds it to the logits: far off, and without an error."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Visual:
    """What the vision tower makes of a batch, every image padded to the bucket.

    Args:
        tokens: [images, visual tokens, hidden].
        deep: the same for the language model's first layers, one each (DeepStack).
    """

    tokens: Tensor
    deep: tuple[Tensor, ...]


class PackedScorer:
    """Asks a model one set of questions. Not thread-safe.

    Args:
        model: with `sdpa` attention; its patch embedding is replaced by an equal one.
        tokens: the questions.
        labels: per question the token ids of its labels.
        caches_preamble: compute what precedes the image once, now, instead of with every image.
        weighs_vocabulary: measure the label mass too; it takes the whole head, at the answers only.

    Raises:
        CheckpointError: the model attends with something else than `sdpa`.
    """

    def __init__(
        self,
        model: Qwen3VLForConditionalGeneration,
        tokens: PackTokens,
        labels: Sequence[Sequence[int]],
        *,
        caches_preamble: bool = True,
        weighs_vocabulary: bool = True,
    ) -> None:
        prepare(model)
        self._model = model
        self._tokens = tokens
        self._weighs_vocabulary = weighs_vocabulary
        self._head = model.lm_head.weight
        most = max(map(len, labels))
        padded = [[*ids, *[ids[0]] * (most - len(ids))] for ids in labels]
        self._label_rows = self._head[torch.tensor(padded, device=model.device)].float()
        self._is_label = torch.tensor([[at < len(ids) for at in range(most)] for ids in labels]).to(
            model.device
        )
        self._preamble = (
            _keys_and_values(model, tokens.preamble) if caches_preamble and tokens.preamble else ()
        )

    @torch.inference_mode()
    def answer(self, images: Sequence[Patches], grids: Sequence[TokenGrid], visual_tokens: int) -> Tensor:
        """Return float32 [images, questions, labels + 1] on the device: probabilities, then the label mass.

        Labels that a question lacks have probability 0. On a GPU the result may still be being computed.

        Args:
            images: patches of each, as from `patches_of`.
            grids: of the images, in their order.
            visual_tokens: what every image is padded to, at least its own: so that shapes stay the same.
        """
        visual = self._look(images, grids, visual_tokens)
        is_cached = bool(self._preamble)
        length = row_length(self._tokens, visual_tokens, preamble_is_cached=is_cached)
        rows = [
            pack_row(
                self._tokens,
                grid,
                placeholder=self._model.config.image_token_id,
                length=length,
                preamble_is_cached=is_cached,
            )
            for grid in grids
        ]
        return self._weigh(self._read(rows, visual))

    def _look(self, images: Sequence[Patches], grids: Sequence[TokenGrid], visual_tokens: int) -> Visual:
        """Return what the vision tower sees; each image is followed by a blank one that fills its bucket."""
        device, per_token = self._model.device, MERGE**2
        patches = np.zeros((len(images), visual_tokens * per_token, images[0].shape[1]), np.uint8)
        sizes = []
        for row, image, grid in zip(patches, images, grids, strict=True):
            row[: len(image)] = image
            sizes.append((1, grid.rows * MERGE, grid.columns * MERGE))
            if blank := visual_tokens - grid.tokens:
                sizes.append((1, MERGE, blank * MERGE))
        tower = self._model.model.visual
        grid_thw = torch.tensor(sizes)  # stays on the host: lengths are read from it, layer by layer
        taps, weights = get_vision_interpolation_indices_and_weights(
            grid_thw,
            num_grid_per_side=tower.num_grid_per_side,
            mode=tower.interpolation_mode,
            align_corners=tower.interpolation_align_corners,
            spatial_merge_size=tower.spatial_merge_size,
        )
        seen = tower(
            normalised(to_device(patches.reshape(-1, patches.shape[-1]), device)).to(tower.dtype),
            grid_thw=grid_thw,
            cu_seqlens=get_vision_cu_seqlens(grid_thw),
            position_ids=to_device(get_vision_position_ids(grid_thw, tower.spatial_merge_size), device),
            interp_indices=to_device(taps, device),
            interp_weights=to_device(weights, device),
        )

        def per_image(features: Tensor) -> Tensor:
            return features.view(len(images), visual_tokens, -1)

        return Visual(
            tokens=per_image(seen.pooler_output), deep=tuple(map(per_image, seen.deepstack_features))
        )

    def _read(self, rows: Sequence[PackedRow], visual: Visual) -> Tensor:
        """Return the last hidden state at the answers: [images, questions, hidden]."""
        device, language = self._model.device, self._model.model.language_model

        def stacked(name: str) -> Tensor:
            return to_device(np.stack([getattr(row, name) for row in rows]), device)

        ids = stacked("ids")
        is_image = (ids == self._model.config.image_token_id)[..., None]
        before = rows[0].image_at
        after = ids.shape[1] - before - visual.tokens.shape[1]

        def in_row(features: Tensor) -> Tensor:
            return functional.pad(features, (0, 0, before, after))

        everywhere = torch.arange(len(rows), device=device)  # indexes rows: unlike a mask, it needs no count
        hidden: Tensor = language(
            inputs_embeds=torch.where(is_image, in_row(visual.tokens), language.embed_tokens(ids)),
            attention_mask=tree_mask(stacked("segments"), cached=self._cached_tokens),
            position_ids=stacked("positions").transpose(0, 1),
            past_key_values=self._cache(len(rows)),
            use_cache=bool(self._preamble),
            visual_pos_masks=everywhere,
            deepstack_visual_embeds=[in_row(features) * is_image for features in visual.deep],
        ).last_hidden_state
        return hidden[everywhere[:, None], stacked("answers_at")]

    def _weigh(self, hidden: Tensor) -> Tensor:
        """Return probabilities and label mass of hidden states [images, questions, hidden]."""
        logits = torch.einsum("iqh,qlh->iql", hidden.float(), self._label_rows)
        logits = logits.masked_fill(~self._is_label, -torch.inf)
        if self._weighs_vocabulary:
            whole = functional.linear(hidden, self._head).float().logsumexp(-1)
            mass = (logits.logsumexp(-1) - whole).exp().clamp(max=1)
        else:
            mass = torch.ones_like(logits[..., 0])
        return torch.cat([logits.softmax(-1), mass[..., None]], dim=-1)

    @property
    def _cached_tokens(self) -> int:
        return len(self._tokens.preamble) if self._preamble else 0

    def _cache(self, rows: int) -> DynamicCache | None:
        """Return a cache of its own for one pass: a cache grows in place with whatever it is given."""
        if not self._preamble:
            return None
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(self._preamble):
            cache.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), layer)
        return cache


def prepare(model: Qwen3VLForConditionalGeneration) -> None:
    """Check how the model attends, and make its patch embedding a matrix product.

    Raises:
        CheckpointError: the text part attends with something else than `sdpa`.
    """
    attention = model.model.language_model.config._attn_implementation  # noqa: SLF001 - nothing public says it
    if attention != _NEEDED:
        raise CheckpointError(
            CheckpointFault.WRONG_ATTENTION, f"the model attends with '{attention}', not with '{_NEEDED}'"
        )
    tower = model.model.visual
    if not isinstance(tower.patch_embed, LinearPatchEmbed):
        tower.patch_embed = LinearPatchEmbed(tower.patch_embed.proj)


@torch.inference_mode()
def _keys_and_values(
    model: Qwen3VLForConditionalGeneration, preamble: Sequence[int]
) -> tuple[tuple[Tensor, Tensor], ...]:
    """Return what attention keeps of the preamble, layer by layer, each [1, heads, tokens, head width]."""
    ids = torch.tensor([list(preamble)], device=model.device)
    positions = torch.arange(len(preamble), device=model.device).expand(3, 1, -1)
    language = model.model.language_model
    cache = language(
        inputs_embeds=language.embed_tokens(ids), position_ids=positions, use_cache=True
    ).past_key_values
    return tuple((layer.keys, layer.values) for layer in cache.layers)
