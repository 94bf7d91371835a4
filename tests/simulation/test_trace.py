"""Traces: a failing world is cut down to what it takes, written down and played again."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.effects import Settlement
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.execution.outcome import Outcome
from parjanya_dagster.simulation.episode import play
from parjanya_dagster.simulation.faults import Place
from parjanya_dagster.simulation.trace import Trace, minimal, shrunk

PLACES = [("slow", str(number)) for number in range(30)]


@given(needed=st.sets(st.sampled_from(PLACES), min_size=1, max_size=4))
def test_minimal_when_some_items_are_needed_leaves_exactly_these(needed: set[Place]) -> None:
    """What is not needed to show the failure is not shown."""

    def breaks(places: Sequence[Place]) -> bool:
        return needed <= set(places)

    assert set(minimal(PLACES, breaks, tries=1_000)) == needed


def test_minimal_when_tries_run_out_returns_what_still_breaks() -> None:
    """A long trace is better than none."""
    left = minimal(PLACES, lambda places: PLACES[7] in places, tries=3)

    assert PLACES[7] in left


def test_failing_world_is_cut_down_to_what_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Incident 1 of the worker: a message deleted before Truth is written needs one upload and no fault."""

    def forgetful(_platform: Platform, settlement: Settlement, *, scored_by: str) -> Outcome:
        del scored_by
        return settlement.outcome

    monkeypatch.setattr("gpu_worker.perform.settle", forgetful)
    episode = play("0.0")

    trace = shrunk(episode)

    assert episode.violations[0].invariant == "a message is deleted only after a durable outcome"
    assert [what for what, _ in trace.places] == ["upload"]
    assert trace.played().violations


def test_trace_written_to_a_file_is_read_back(tmp_path: Path) -> None:
    """What a failing run printed is what `--trace` plays."""
    trace = Trace(seed="4.2", places=(("upload", "acme/1"), ("crash_after", "ingest acme/1.1@3")))
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(trace.document()))

    assert Trace.of_file(path) == trace


@pytest.mark.parametrize("text", ["", "[]", '{"seed": 1}', '{"seed": 1, "happened": [["a"]]}'])
def test_file_without_a_trace_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """A person learns which file is wrong, and why."""
    path = tmp_path / "no-trace.json"
    path.write_text(text)

    with pytest.raises(InvalidRequestError, match=r"no-trace\.json holds no trace"):
        Trace.of_file(path)
