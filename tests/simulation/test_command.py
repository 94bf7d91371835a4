"""`parjanya simulate`: what it prints, and how it ends."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gpu_worker.effects import Settlement
from parjanya_dagster.cli.simulate import simulate
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.execution.outcome import Outcome
from parjanya_dagster.simulation.faults import Fault


def invoke(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(simulate, arguments)


def document(result: Result) -> dict[str, Any]:
    """Return the JSON that the command printed."""
    printed: dict[str, Any] = json.loads(result.stdout)
    return printed


def forgetful(_platform: Platform, settlement: Settlement, *, scored_by: str) -> Outcome:
    """Settle without writing anything."""
    del scored_by
    return settlement.outcome


def test_simulate_when_every_promise_is_kept_ends_with_a_document_and_status_0() -> None:
    """Scripts read `ok`, `violations`, `steps`, `faults` and `covered`."""
    result = invoke("--seed", "1", "--steps", "2000", "--seeds", "2", "--json")

    printed = document(result)
    assert result.exit_code == 0
    assert printed["ok"] is True
    assert printed["violations"] == []
    assert printed["steps"] >= 4_000
    assert set(printed["faults"]) == {fault.value for fault in Fault}
    assert printed["covered"]["transitions"]
    assert printed["covered"]["actions"]


def test_simulate_when_done_lets_its_process_log_again() -> None:
    """Who calls it as a function is not silenced by it."""
    invoke("--seed", "1", "--steps", "100")

    assert logging.getLogger().isEnabledFor(logging.CRITICAL)


def test_simulate_when_a_promise_is_broken_prints_a_trace_that_breaks_it_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A failing seed is a short story that anybody can play."""
    monkeypatch.setattr("gpu_worker.perform.settle", forgetful)

    result = invoke("--seed", "0", "--steps", "1", "--json")
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps(document(result)["trace"]))
    again = invoke("--trace", str(trace), "--json")

    assert result.exit_code == again.exit_code == 1
    assert document(again)["violations"][0]["invariant"] == document(result)["violations"][0]["invariant"]


def test_simulate_for_a_person_says_what_happened_and_what_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as a page of text."""
    assert "every promise was kept" in invoke("--steps", "1").stdout

    monkeypatch.setattr("gpu_worker.perform.settle", forgetful)
    assert "a message is deleted only after a durable outcome" in invoke("--steps", "1").stdout


def test_simulate_when_interrupted_tells_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long run that is stopped was not for nothing."""

    def interrupted(*_arguments: object, **_words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("parjanya_dagster.simulation.run.run", interrupted)

    result = invoke("--json")

    assert document(result)["ok"] is True
    assert "interrupted after 0 worlds" in result.stderr


def test_stage_of_an_unknown_incident_names_the_known_ones() -> None:
    """A person learns what can be staged."""
    result = invoke("--stage", "99")

    assert isinstance(result.exception, InvalidRequestError)
    assert "6a" in str(result.exception)


def test_stage_shows_the_diagnosis_before_and_after_the_repair() -> None:
    """What the runbook says is played: named before, gone after."""
    printed = document(invoke("--stage", "1", "--json"))

    assert "1" in [finding["incident"] for finding in printed["before"]["findings"]]
    assert printed["after"] == {"findings": []}
    assert "nothing is wrong" in invoke("--stage", "1").stdout.lower()


def test_nightly_scenario_is_the_forecast() -> None:
    """One command for both: what would one night take and cost."""
    printed = document(invoke("--scenario", "nightly", "--json"))

    assert printed["nights"]
    assert printed["assumptions"]
