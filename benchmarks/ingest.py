"""Measure ingest of 24-megapixel JPEGs against one plain full Pillow decode of the same bytes.

    python -m benchmarks.ingest [rounds]

Process CPU time, medians of interleaved rounds in one run, so that the machine's mood cancels. The whole
ingest is measured twice: called directly, and through the decoder's child (parent + child, pipes included;
Linux only).
"""

import io
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from parjanya_dagster.core.truth.technical import TechnicalLimits
from parjanya_dagster.imaging.decode import decode
from parjanya_dagster.imaging.decoder import Decoder

WIDTH, HEIGHT = 6000, 4000


def main() -> None:
    """Print one row per picture, then memory."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print("CPU in ms, and the ratio of whole ingest to plain decode")
    print(f"{'picture':<22}{'MB':>6}{'decode':>9}{'ingest':>9}{'ratio':>7}{'in child':>10}{'ratio':>7}")
    with Decoder() as decoder:
        for name, data in pictures().items():
            decoder.read(data)  # starts the child
            plain, ingest, child = measure(data, decoder, rounds)
            row = f"{plain:>9.0f}{ingest:>9.0f}{ingest / plain:>7.2f}{child:>10.0f}{child / plain:>7.2f}"
            print(f"{name:<22}{len(data) / 1e6:>6.1f}{row}")
        print(f"peak resident memory of the child: {decoder.peak_memory_mib() or 0:.0f} MiB")


def pictures() -> dict[str, bytes]:
    """Return the two pictures by name: a clean 4:2:0 q85 and a noisy 4:2:2 q94."""
    random = np.random.default_rng(24)
    scene = Image.new("RGB", (WIDTH, HEIGHT), "grey")
    for scale in (400, 100, 25, 6, 3):  # detail at every scale, as in nature; 5 MB, as cameras write
        octave = random.integers(0, 255, (HEIGHT // scale + 1, WIDTH // scale + 1, 3), dtype=np.uint8)
        layer = Image.fromarray(octave).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        scene = Image.blend(scene, layer, 0.5 if scale == 400 else 0.22)  # noqa: PLR2004 - the coarsest
    noise = random.normal(0, 6, (HEIGHT, WIDTH, 1)).astype(np.int16)
    noisy = Image.fromarray(np.clip(np.asarray(scene, np.int16) + noise, 0, 255).astype(np.uint8))
    return {"24 MP, clean, q85": _jpeg(scene, 85, "4:2:0"), "24 MP, noisy, q94": _jpeg(noisy, 94, "4:2:2")}


def measure(data: bytes, decoder: Decoder, rounds: int) -> tuple[float, float, float]:
    """Return median CPU milliseconds of plain decode, ingest in process, and ingest in the child."""
    schedule = Path(f"/proc/{_child_pid()}/schedstat")  # nanoseconds on a processor

    def child_s() -> float:
        return int(schedule.read_text().split()[0]) / 1e9

    plain, ingest, isolated = [], [], []
    for _ in range(rounds):
        plain.append(_cpu_s(lambda: Image.open(io.BytesIO(data)).load()))
        ingest.append(_cpu_s(lambda: decode(data, TechnicalLimits())))
        before = child_s()
        parent = _cpu_s(lambda: decoder.read(data))
        isolated.append(parent + child_s() - before)
    median_ms = [1000 * statistics.median(series) for series in (plain, ingest, isolated)]
    return median_ms[0], median_ms[1], median_ms[2]


def _child_pid() -> int:
    """Return the decoder's process: the only child this script has."""
    listed = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return int(listed[0])


def _cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _jpeg(image: Image.Image, quality: int, subsampling: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
