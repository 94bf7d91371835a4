"""The worker's command line, and what it knows of its own instance."""

import json
from dataclasses import dataclass

import pytest

from gpu_worker.main import main
from gpu_worker.membership import Departure, member_from_environment
from gpu_worker.settings import load_worker_settings
from parjanya_dagster.core.errors import ConfigError


def test_help_when_asked_for_explains_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever starts it by hand learns what it reads and what its exit statuses mean."""
    with pytest.raises(SystemExit) as exit_info:
        main(["--help"])

    assert exit_info.value.code == 0
    shown = capsys.readouterr().out
    assert "headless" in shown
    assert "PARJANYA_WORKER_MICRO_BATCH" in shown
    assert "exit status" in shown


def test_settings_when_wrong_end_the_worker_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misconfigured worker says which setting is wrong, and nobody restarts it for ever in silence."""
    monkeypatch.setenv("PARJANYA_WORKER_MICRO_BATCH", "0")

    status = main(["headless"])

    assert status == 2
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert line["event"] == "worker_misconfigured"
    assert "PARJANYA_WORKER_MICRO_BATCH" in line["error"]


def test_settings_when_several_are_wrong_name_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fault is reported together."""
    monkeypatch.setenv("PARJANYA_WORKER_MICRO_BATCH", "many")
    monkeypatch.setenv("PARJANYA_WORKER_IDLE_AFTER_S", "-1")

    with pytest.raises(ConfigError, match=r"MICRO_BATCH.*IDLE_AFTER_S"):
        load_worker_settings()


@dataclass
class _Identity:
    group: str | None = None


@dataclass
class _Member:
    identity: _Identity


def test_departure_when_requested_keeps_its_first_reason() -> None:
    """A worker says why it left."""
    departure = Departure({}, _Member(_Identity()))  # type: ignore[arg-type]  # only its identity is read
    assert not departure.is_due()

    departure.request("SIGTERM")
    departure.request("SIGINT")

    assert departure.is_due()
    assert departure.reason == "SIGTERM"


def test_member_when_named_by_the_environment_is_that_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop's stand-in for an instance says who it is."""
    monkeypatch.setenv("INSTANCE_ID", "i-7")
    monkeypatch.setenv("AUTO_SCALING_GROUP", "parjanya-test-gpu")

    identity = member_from_environment("us-east-1").identity

    assert (identity.instance_id, identity.group) == ("i-7", "parjanya-test-gpu")
