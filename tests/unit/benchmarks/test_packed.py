"""The benchmark of packed scoring, from its command line to its file, on a model that takes seconds."""

import pytest

pytest.importorskip("torch", reason="the engine's libraries are an extra: install .[engine]")

from benchmarks.exactness import AGREEMENT, REPETITION, TOLERANCE
from benchmarks.ladder import BEST, SPEED
from benchmarks.results import Cell, Results, read_results
from tests.architecture.source import in_a_new_process

SCRIPT = """
import sys
for absent in sys.argv[2].split():
    sys.modules[absent] = None
sys.argv = ["packed.py", "--tiny", "--out", sys.argv[1]]
from benchmarks.packed import main
assert main(sys.argv[1:]) == 0
"""
NOT_ON_A_GPU_MACHINE = (
    "boto3 botocore dagster fastapi greenlet matplotlib ministack pillow_heif polars psutil pydantic"
    " pydantic_settings rich sqlalchemy"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What a run writes where torch, transformers, numpy and Pillow are all there is."""
    path = tmp_path_factory.mktemp("packed") / "results.json"
    in_a_new_process(SCRIPT, str(path), NOT_ON_A_GPU_MACHINE)
    return read_results(path)


def _by(rows: list[dict[str, Cell]], column: str) -> dict[Cell, dict[str, Cell]]:
    return {row[column]: row for row in rows}


def _distance(row: dict[str, Cell]) -> float:
    return float(row["largest Δp"] or 0)


def test_packed_answers_equal_those_of_one_prompt_per_question(results: Results) -> None:
    """What is faster is the same: within 1e-4 in float32, where another image or question is far off."""
    compared = _by(results.tables[AGREEMENT], "compared")

    assert _distance(compared["packed, and a prompt a question"]) <= TOLERANCE
    assert _distance(compared["vision once, and a prompt a question"]) <= TOLERANCE
    assert _distance(compared["control: another image"]) > 100 * TOLERANCE
    assert _distance(compared["control: another question"]) > 100 * TOLERANCE


def test_answers_keep_every_bit_in_any_slot_and_company(results: Results) -> None:
    """At one batch size, an image's answers depend on the image alone."""
    bits = {row["the same image"]: row["bits"] for row in results.tables[REPETITION]}
    alone = bits.pop("alone, in a batch of 1 (of 1)")

    assert alone in {"equal", "differ"}  # another shape: reported, not promised
    assert set(bits.values()) == {"equal"}
    assert len(bits) == 4


def test_every_way_has_a_speed_at_every_size(results: Results) -> None:
    """No way is lost on the way to the table, and each has its share of the limit beside it."""
    ways = {"packed", "a prompt a question", "vision once", "generate, one by one", "generate, batched"}

    for table in (SPEED, BEST):
        assert {(row["V"], row["way"]) for row in results.tables[table]} == {
            (visual, way) for visual in (16, 36) for way in ways
        }
        for row in results.tables[table]:
            assert float(row["images/s"] or 0) > 0
            assert 0 < float(row["share of limit"] or 0) < 1
