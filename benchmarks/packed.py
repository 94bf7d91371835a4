"""Packed scoring against the other ways to ask a vision-language model N questions about an image.

    python -m benchmarks.packed                              # CPU, one thread, a small random model
    python -m benchmarks.packed --device cuda --out FILE     # the 8B geometry, random weights, bfloat16
    python -m benchmarks.packed --tiny                       # a tiny model: does the benchmark work?

Ways: packed (the product's own scorer), one prompt per question, the same with one look of the vision tower,
and generating a JSON of 200 tokens, one image at a time and in batches. One model, one process, one run.

Beside each speed stands its share of the limit (MFU): useful arithmetic, see `benchmarks/roofline.py`, by the
device's peak. Padding and masked pairs don't count. Generation also has to read the weights for every token.
The peak is the data sheet's if it knows the GPU; else what large products reach in the same run.

Needs torch, transformers from 5.17 on, numpy, Pillow, and the repository as working directory. Installs and
downloads nothing. Every row is on disk before the next begins; what would not end within `--minutes` is left
out and named. Ends with status 1 if packed and separate answers differ in float32.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final

import torch

from benchmarks.approaches import Bench
from benchmarks.device import Device
from benchmarks.exactness import TOLERANCE, compare_passes, compare_ways
from benchmarks.ladder import BEST, Ladder
from benchmarks.packed_model import TEXT, random_model, random_questions
from benchmarks.results import Cell, Plot, Results, open_results, parser
from benchmarks.roofline import Peak
from benchmarks.ways import ON_CPU, ON_GPU, TINY, ways_of
from gpu_worker.engines.packing import TokenGrid

PEAKS: Final = "the most that the device could do"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 1 if ways that must agree do not."""
    options = _options(arguments)
    ends_at_s = time.monotonic() + 60 * options.minutes
    device = Device.of(options.device)
    setting = TINY if options.tiny else ON_GPU if device.name else ON_CPU
    results = open_results(
        "packed_cuda" if device.name else "packed_cpu",
        plot=Plot(table=BEST, label="way", value="images/s", series="V"),
        packages=["torch", "transformers", "numpy"],
        out=options.out,
        gpu=device.description,
    )
    peak = _peak(results, device)
    questions = random_questions(
        TEXT[setting.model]["vocab_size"], count=setting.questions, suffix=setting.suffix
    )
    bench = Bench.of(random_model(setting.model, device.torch_device, device.dtype), questions)
    results.remark(
        f"Geometry: {setting.model}, random weights, {str(device.dtype).removeprefix('torch.')}."
        f" {setting.questions} questions of {setting.suffix} tokens, {len(questions.tokens.preamble)} tokens"
        f" before the image. Generated: {setting.new_tokens} tokens after {questions.request_tokens} of text."
    )
    middle = TokenGrid(rows=setting.sides[0], columns=setting.sides[0])
    apart = compare_ways(results, bench, middle)
    compare_passes(results, bench, middle, batch=setting.slots)
    ladder = Ladder(ways=ways_of(bench, setting, peak), device=device, results=results, ends_at_s=ends_at_s)
    for side in setting.sides:
        ladder.climb(TokenGrid(rows=side, columns=side))
    print(f"wrote {results.path}; python -m benchmarks.render draws and publishes what is in docs/results")
    return 1 if device.dtype == torch.float32 and apart > TOLERANCE else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--device", default="cpu", help="cpu (the default), cuda, cuda:1, ...")
    made.add_argument("--minutes", type=float, default=9, help="begin nothing that ends later (9)")
    made.add_argument("--tiny", action="store_true", help="a tiny model and few tokens: numbers mean nothing")
    return made.parse_args(arguments)


def _peak(results: Results, device: Device) -> Peak:
    """Return what shares are computed with, and show it."""
    measured, published = device.measured_peak(), device.published_peak()
    for source, peak in (("data sheet", published), ("measured by large products", measured)):
        if peak is not None:
            row: dict[str, Cell] = {
                "source": source,
                "TFLOP/s": peak.flops / 1e12,
                "GB/s": peak.bytes_per_s / 1e9,
            }
            results.add(PEAKS, row)
    return published or measured


if __name__ == "__main__":
    sys.exit(main())
