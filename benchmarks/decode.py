"""From bytes to what a model takes: ways to decode a photo, and ways to cut it into patches.

    python -m benchmarks.decode [--rounds 7] [--photo FILE ...]

Decoding: generated 24-megapixel JPEGs (6000x4000; a clean 4:2:0 q85 and a noisy 4:2:2 q94), or photos of
one's own, to the model's grid, and the previews that ingestion makes of them. Likeness is the PSNR against
full decode + bicubic, which is what the model's own processor would see.

Patches: ours stay uint8 and one frame, and become floats and two frames on the device; beside it the
processor of transformers, which does all of that before. What crosses to the device is counted, not timed.

Least CPU time of one thread over interleaved rounds: images/s are those of one core.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from benchmarks.ingest import pictures
from benchmarks.results import Cell, Plot, Results, open_results, parser
from benchmarks.timing import least_cpu_s
from gpu_worker.engines.qwen3_vl.patches import PATCH_PX, normalised, patches_of
from gpu_worker.preview_pixels import model_pixels, pixels_for_people
from parjanya_dagster.core.truth.technical import TechnicalLimits
from parjanya_dagster.imaging.decode import decode, decode_at_grid
from parjanya_dagster.imaging.grid import model_size
from parjanya_dagster.imaging.reading import AtGrid, Ingested

Pixels = npt.NDArray[np.uint8]
DECODING: Final = "from bytes to the model's grid"
PATCHES: Final = "from the model's grid to patches"
FULL: Final = "original, full"
GRID: Final = (608, 928)


def main() -> None:
    """Measure both tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=7, help="how often each way is timed")
    arguments.add_argument(
        "--photo", type=Path, nargs="+", help="files to decode instead of generated pictures"
    )
    options = arguments.parse_args()
    torch.set_num_threads(1)  # a thread's own CPU time is what is measured
    results = open_results(
        "decode",
        plot=Plot(table=DECODING, label="way", value="images/s per core", series="picture", is_log=True),
        packages=["pillow", "numpy", "transformers"],
        out=options.out,
    )
    photos = {path.name: path.read_bytes() for path in options.photo or ()}
    for picture, data in (photos or pictures()).items():
        measure_decoding(results, picture, data, rounds=options.rounds)
    measure_patches(results, rounds=options.rounds)
    if not photos:
        results.remark(
            "The generated pictures vary as much in colour as in brightness, at every scale, and JPEG keeps"
            " half of the colour: photos come out more alike (`--photo FILE` measures yours)."
        )


def measure_decoding(results: Results, picture: str, data: bytes, *, rounds: int) -> None:
    """Add a row per way to decode one picture."""
    ingested = decode(data, TechnicalLimits())
    if not isinstance(ingested, Ingested):
        raise TypeError(f"{picture} was rejected: {ingested.reasons}")
    with Image.open(io.BytesIO(data)) as original:
        sides = original.size
    ways: dict[str, Callable[[], Pixels]] = {
        FULL: lambda: at_grid(data),
        "original, draft at twice the size": lambda: at_grid(data, draft=2),
        "original, draft": lambda: at_grid(data, draft=1),
        "original, as the worker's last resort": lambda: from_original(data),
        "preview for people, 1536 px": lambda: pixels_for_people(
            ingested.preview.content, native_sides=sides
        ),
        "preview at the model's grid": lambda: model_pixels(ingested.model_grid.content),
    }
    least_s = least_cpu_s(ways, rounds=rounds)
    reference = ways[FULL]()
    for way, decode_it in ways.items():
        row: dict[str, Cell] = {"way": way, "picture": picture, "ms": 1000 * least_s[way]}
        row["images/s per core"] = 1 / least_s[way]
        row["times full"] = least_s[FULL] / least_s[way]
        row["PSNR dB"] = None if way == FULL else psnr(reference, decode_it())
        results.add(DECODING, row)


def measure_patches(results: Results, *, rounds: int) -> None:
    """Add a row per way to cut an image at the model's grid into the encoder's patches."""
    pixels = np.random.default_rng(24).integers(0, 256, (*GRID, 3), dtype=np.uint8)
    processor = Qwen2VLImageProcessorPil(
        patch_size=PATCH_PX, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_resize=False
    )

    def processed() -> npt.NDArray[np.float32]:
        patches: npt.NDArray[np.float32] = processor(images=[pixels])["pixel_values"]
        return patches

    ours = torch.from_numpy(patches_of(pixels))
    ways: dict[str, tuple[Callable[[], object], int]] = {
        "uint8, the worker's part": (lambda: patches_of(pixels), ours.nbytes),
        "float32 of it, the device's part on this CPU": (lambda: normalised(ours), 0),
        "float32, transformers' processor": (processed, processed().nbytes),
    }
    least_s = least_cpu_s({way: work for way, (work, _) in ways.items()}, rounds=5 * rounds)
    for way, (_, crossing_bytes) in ways.items():
        row: dict[str, Cell] = {"way": way, "ms": 1000 * least_s[way], "images/s per core": 1 / least_s[way]}
        results.add(PATCHES, row | {"MB to the device": crossing_bytes / 1e6 or None})


def at_grid(data: bytes, *, draft: int | None = None) -> Pixels:
    """Return a file's pixels at the model's grid: uint8 [height, width, 3].

    Args:
        draft: let the JPEG decoder scale, to no less than this many times the grid's sides.
    """
    with Image.open(io.BytesIO(data)) as picture:
        rows, columns = model_size(picture.height, picture.width)
        if draft:
            picture.draft("RGB", (draft * columns, draft * rows))
        if picture.size == (columns, rows):
            return np.asarray(picture)
        return np.asarray(picture.resize((columns, rows), Image.Resampling.BICUBIC))


def from_original(data: bytes) -> Pixels:
    """Return what the worker makes of an original whose previews are gone; there in another process."""
    reading = decode_at_grid(data, TechnicalLimits())
    if not isinstance(reading, AtGrid):
        raise TypeError(f"it was rejected: {reading.reasons}")
    return model_pixels(reading.model_grid.content)


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the peak signal-to-noise ratio of two pictures of one size, dB; infinite if they are equal."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


if __name__ == "__main__":
    main()
