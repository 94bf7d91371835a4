"""The commands as a person or a script meets them, with nothing running."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.core.errors import ConfigError

COMMANDS = sorted(parjanya.list_commands(click.Context(parjanya)))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home that the commands use, on free ports."""
    for name in ("AWS", "WEB", "DAGSTER"):
        monkeypatch.setenv(f"PARJANYA_{name}_PORT", "0")
    monkeypatch.setenv("PARJANYA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PARJANYA_ACCOUNT", raising=False)
    return tmp_path / "home"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a photo of 64 x 48 pixels."""
    path = tmp_path / "photo.jpg"
    Image.effect_noise((64, 48), 60).convert("RGB").save(path)
    return path


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Return a port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def run(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(parjanya, arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_explains_itself(command: str) -> None:
    """Every command of the overview has a help that says more than its name."""
    overview, result = run("--help"), run(command, "--help")

    assert re.search(rf"^  {command} +\w", overview.output, re.MULTILINE)
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def test_overview_imports_no_command() -> None:
    """Asking what there is costs no second of imports."""
    code = (
        "import sys; from click.testing import CliRunner; from parjanya_dagster.cli.main import parjanya;"
        "assert CliRunner().invoke(parjanya, ['--help']).exit_code == 0;"
        "assert not {'boto3', 'dagster', 'fastapi', 'numpy'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_error_is_a_sentence_and_not_a_trace(home: Path) -> None:
    """A person is told what was wrong and what to do."""
    result = subprocess.run(
        [sys.executable, "-m", "parjanya_dagster.cli.main", "tenant", "list"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: nothing runs in {home}: start it with `parjanya up`")


def test_inspect_prints_one_record_per_path_in_order_and_names_the_missing(
    photo: Path, tmp_path: Path
) -> None:
    """The contract with scripts: a missing path is a record, the rest goes on, the status is 2."""
    text = tmp_path / "notes.jpg"
    text.write_text("no image")

    result = run("inspect", "--json", str(text), str(tmp_path / "missing.jpg"), str(photo))

    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["valid"] for record in records] == [False, False, True]
    assert records[1]["reasons"] == ["not_found"]
    assert (records[2]["width"], records[2]["height"], records[2]["format"]) == (64, 48, "JPEG")
    assert result.exit_code == 2


def test_inspect_of_bad_files_only_ends_well(tmp_path: Path) -> None:
    """However bad a file is, it was inspected."""
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nnothing")

    assert run("inspect", "--json", str(bad)).exit_code == 0


def test_inspect_without_json_shows_a_table_of_a_folder(photo: Path, tmp_path: Path) -> None:
    """A folder stands for the files in it."""
    del photo
    result = run("inspect", str(tmp_path))

    assert result.exit_code == 0
    assert re.search(r"photo\.jpg +JPEG +64x48 .* yes", result.stdout)


def test_score_with_nothing_running_says_verdict_and_reasons(photo: Path, tmp_path: Path) -> None:
    """The same record as inspect's, and how the platform would judge it."""
    result = run("score", "--json", str(photo), str(tmp_path / "missing.jpg"))

    good, missing = (json.loads(line) for line in result.stdout.splitlines())
    assert good["verdict"] in {"accept", "reject", "review"}
    assert sum(good["answers"]["photograph"].values()) == pytest.approx(1)
    assert all(0 <= value <= 1 for value in good["scores"].values())
    assert missing["reason_codes"] == ["not_found"]
    assert result.exit_code == 2


def test_score_by_an_unknown_engine_is_refused(photo: Path) -> None:
    """A misspelt engine is named."""
    result = run("score", "--engine", "crystal-ball", str(photo))

    assert isinstance(result.exception, ConfigError)
    assert "crystal-ball" in str(result.exception)


def test_up_on_a_taken_port_says_what_to_do_and_starts_nothing(
    home: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An occupied port is named, with the variable that chooses another."""
    monkeypatch.setenv("PARJANYA_WEB_PORT", str(taken_port))

    result = run("up")

    assert isinstance(result.exception, ConfigError)
    assert f"port {taken_port} is needed for web and is taken" in str(result.exception)
    assert "PARJANYA_WEB_PORT" in str(result.exception)
    assert not (home / "run").exists()
    assert not (home / "aws").exists()


def test_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wrong variable is reported together."""
    monkeypatch.setenv("PARJANYA_WEB_PORT", "many")
    monkeypatch.setenv("PARJANYA_PREFIX", "NO")

    result = run("status")

    assert isinstance(result.exception, ConfigError)
    assert "PARJANYA_WEB_PORT='many'" in str(result.exception)
    assert "PARJANYA_PREFIX='NO'" in str(result.exception)


def test_status_with_nothing_running_says_so() -> None:
    """Nothing is started by asking."""
    result = run("status")
    report = json.loads(run("status", "--json").stdout)

    assert "parjanya up" in result.stdout
    assert {each["name"]: each["pid"] for each in report["processes"]}["aws"] is None


def test_down_with_nothing_running_says_so() -> None:
    """Stopping twice is no error."""
    assert run("down").stdout == "Nothing was running.\n"


def test_demo_on_a_folder_without_images_starts_nothing(home: Path, tmp_path: Path) -> None:
    """A wrong folder is noticed before anything is started."""
    result = run("demo", "--photos", str(tmp_path))

    assert "no images in" in str(result.exception)
    assert not home.exists()


def test_demo_on_a_missing_folder_names_it(tmp_path: Path) -> None:
    """A misspelt folder is named."""
    result = run("demo", "--photos", str(tmp_path / "nowhere"))

    assert result.exit_code == 2
    assert "nowhere" in result.output


def test_upload_of_a_folder_without_images_says_so(tmp_path: Path) -> None:
    """A wrong folder is noticed before a token is asked for."""
    result = run("upload", str(tmp_path), "--tenant", "acme")

    assert "no images in" in str(result.exception)


def test_token_of_an_unknown_role_names_the_roles() -> None:
    """A wrong role is answered with the right ones."""
    result = run("token", "issue", "--tenant", "acme", "--role", "king")

    assert result.exit_code == 2
    assert "photographer" in result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--scenario", "nightly", "--stage", "3"), "choose one of --scenario, --stage and --trace"),
        (("--assume", "images=10"), "--assume and --plot go with --scenario"),
    ],
)
def test_simulate_refuses_options_that_would_be_passed_over(arguments: tuple[str, ...], told: str) -> None:
    """Nobody waits for a simulation that is not the one they asked for."""
    result = run("simulate", *arguments)

    assert result.exit_code == 2
    assert told in result.output
