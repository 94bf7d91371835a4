"""`parjanya diagnose` and `parjanya why`: the contract, the exit status, and what a person reads."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from parjanya_dagster.simulation.scene_acts import TENANT, opening, upload
from parjanya_dagster.simulation.scenes import SCENES

KEYS = {"layer", "incident", "summary", "evidence", "since", "fix"}


@pytest.fixture
def world() -> FakePlatform:
    """Return a world in which all is well."""
    return opening()


def run(world: FakePlatform, *arguments: str) -> Result:
    """Run a command over fakes."""
    return CliRunner().invoke(parjanya, arguments, obj=world.platform())


def words(result: Result) -> str:
    """Return the output without line breaks."""
    return " ".join(result.output.split())


def test_diagnose_when_all_is_well_prints_an_empty_list(world: FakePlatform) -> None:
    """The contract's healthy answer, and a sentence for a person."""
    assert json.loads(run(world, "diagnose", "--json", "--exit-code").output) == {"findings": []}
    assert "Nothing is wrong" in run(world, "diagnose").output


@pytest.mark.parametrize("code", SCENES)
def test_diagnose_prints_each_incident_as_the_contract_says(world: FakePlatform, code: str) -> None:
    """Layer, incident, summary, evidence, since, fix; the status is 0 unless it is asked for."""
    SCENES[code].stage(world)

    result = run(world, "diagnose", "--json")

    assert result.exit_code == 0
    (finding,) = json.loads(result.output)["findings"]
    assert set(finding) == KEYS
    assert finding["incident"] == code
    assert all(isinstance(fact, str) for fact in finding["evidence"])
    assert run(world, "diagnose", "--json", "--exit-code").exit_code == 1


def test_diagnose_for_a_person_says_layer_facts_and_fix(world: FakePlatform) -> None:
    """A tired person reads what, since when, and what to type."""
    SCENES["5"].stage(world)
    SCENES["2"].stage(world)

    told = words(run(world, "diagnose"))

    assert "truth · incident 5" in told
    assert "`parjanya tenant add brave`" in told
    assert "intent · incident 2 · since 2026-03-01 12:" in told


def test_diagnose_when_nothing_runs_is_a_finding_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable platform is itself the finding."""
    monkeypatch.setenv("PARJANYA_HOME", str(tmp_path))
    monkeypatch.delenv("PARJANYA_ACCOUNT", raising=False)

    result = CliRunner().invoke(parjanya, ["diagnose", "--json"])

    assert result.exit_code == 0
    (finding,) = json.loads(result.output)["findings"]
    assert (finding["layer"], finding["incident"]) == ("belief", "7")
    assert "parjanya up" in " ".join(finding["evidence"])


def test_diagnose_when_nothing_answers_is_a_finding_and_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deployment whose endpoint is down is told from one that is healthy, quickly."""
    monkeypatch.setenv("PARJANYA_HOME", str(tmp_path))
    monkeypatch.setenv("PARJANYA_ACCOUNT", "000000000000")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)

    result = CliRunner().invoke(parjanya, ["diagnose", "--json"])

    (finding,) = json.loads(result.output)["findings"]
    assert (finding["layer"], finding["incident"]) == ("belief", "7")


def test_why_prints_owner_reason_since_and_deadline(world: FakePlatform) -> None:
    """The same answer for a person and for a script."""
    (key,) = upload(world, 1)

    document = json.loads(run(world, "why", key.image_id, "--json").output)
    told = words(run(world, "why", f"tenant:{TENANT}"))

    assert (document["subject"], document["owner"]) == (str(key), "reconcile")
    assert document["deadline"] == "2026-03-01T12:01:00+00:00"
    assert "1 of its newest 1 image wait; the oldest: no job was sent for it yet" in told
    assert f"oldest: {key}" in told
