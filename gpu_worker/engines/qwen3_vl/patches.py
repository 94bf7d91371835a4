"""Pixels to patches: what the checkpoint's image processor does, without torchvision and without its copies.

Bytes go to the device and become numbers there: an eighth of what the processor would send. The published
checkpoint would accept 16 megapixels (16,384 tokens) of an image; here the grid always bounds it.

Source: transformers, `Qwen2VLImageProcessorPil`; the tests compare bit by bit.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from gpu_worker.engines.packing import TokenGrid
from parjanya_dagster.imaging.grid import Grid, model_size

PATCH_PX: Final = 16
MERGE: Final = 2
"""Patches along each side of one visual token."""

FRAMES: Final = 2
"""The model sees a still image as a film of two equal frames."""

_HALF_RANGE: Final = 127.5  # of a byte: mean and deviation 0.5 of 0..1

Pixels = npt.NDArray[np.uint8]  # [height, width, 3], sRGB
Patches = npt.NDArray[np.uint8]  # [patches, channel * row * column]


def token_grid(height: int, width: int, grid: Grid) -> TokenGrid:
    """Return what an image of this size is to the language model under a pixel budget."""
    rows, columns = model_size(height, width, grid)
    return TokenGrid(rows=rows // grid.factor_px, columns=columns // grid.factor_px)


def fit_to(pixels: Pixels, grid: TokenGrid) -> Pixels:
    """Return the pixels at the grid's size; the very same array where they have it already."""
    height, width = (side * PATCH_PX * MERGE for side in (grid.rows, grid.columns))
    if pixels.shape[:2] == (height, width):
        return pixels
    resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def patches_of(pixels: Pixels) -> Patches:
    """Return uint8 [patches, 768] of an image that fits its grid; a visual token's patches are together."""
    rows, columns = (side // (PATCH_PX * MERGE) for side in pixels.shape[:2])
    blocks = pixels.reshape(rows, MERGE, PATCH_PX, columns, MERGE, PATCH_PX, 3)
    by_token = blocks.transpose(0, 3, 1, 4, 6, 2, 5)  # rows, columns, 2, 2, channel, 16, 16
    return np.ascontiguousarray(by_token).reshape(rows * columns * MERGE**2, -1)


def normalised(patches: Tensor) -> Tensor:
    """Return float32 [patches, 1536] of uint8 [patches, 768]: about -1..1, each frame twice."""
    channels = (patches.float() / _HALF_RANGE - 1).view(len(patches), -1, 1, PATCH_PX**2)
    return channels.expand(-1, -1, FRAMES, -1).reshape(len(patches), -1)


class LinearPatchEmbed(nn.Module):
    """The first layer of the vision tower as the matrix product that it is.

    Written as a convolution whose stride is its kernel, it takes seconds instead of milliseconds with some
    versions of cuDNN (pytorch#174051, transformers#45750).
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        """Take over the convolution's weights, without a copy."""
        super().__init__()
        self.proj = convolution

    def forward(self, patches: Tensor) -> Tensor:
        """Return [patches, hidden] of [patches, 1536]."""
        weight = self.proj.weight.flatten(1)
        return functional.linear(patches.to(weight.dtype), weight, self.proj.bias)


def to_device(
    numbers: Tensor | npt.NDArray[np.uint8] | npt.NDArray[np.int64], device: torch.device
) -> Tensor:
    """Return numbers on the device; to a GPU from pinned memory, so that nobody waits for the copy.

    Any other copy would wait until the GPU has finished all that it was given before.
    """
    tensor = torch.as_tensor(numbers)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
