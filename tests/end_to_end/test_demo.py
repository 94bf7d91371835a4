"""The whole line as a person runs it: photos in, verdicts out, nothing left behind."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import PARJANYA, PHOTOS, Demo, await_line, environment_of, left_running

pytestmark = pytest.mark.end_to_end


def test_demo_ends_well_and_leaves_nothing_running(home: Path, photos: Path) -> None:
    """`demo --exit` gives every photo a verdict, proves it from Truth, and stops everything."""
    ended = subprocess.run(
        [*PARJANYA, "demo", "--exit", "--no-dagster", "--photos", str(photos)],
        env=environment_of(home),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{PHOTOS}/{PHOTOS} settled" in ended.stdout
    assert "FAULT" not in ended.stdout
    assert left_running(home) == []


@pytest.mark.parametrize("moment", ["Starting", "templates", r"\d uploads", "settled"])
def test_demo_when_interrupted_leaves_nothing_running(
    home: Path, tmp_path: Path, photos: Path, moment: str
) -> None:
    """Ctrl-C at any time stops everything that was started by then."""
    log = tmp_path / "demo.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*PARJANYA, "demo", "--exit", "--no-dagster", "--photos", str(photos)],
            env=environment_of(home),
            stdout=sink,
            stderr=sink,
        )
    await_line(log, moment, process)

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130, log.read_text()
    assert left_running(home) == []


def test_demo_that_stays_up_answers_the_other_commands(demo: Demo) -> None:
    """Beside a running demo, a person asks what runs and what was decided."""
    status = json.loads(demo.run("status", "--json").stdout)
    images = [
        json.loads(line) for line in demo.run("images", "--tenant", "demo", "--json").stdout.splitlines()
    ]

    assert sum(status["tenants"]["demo"].values()) == len(images) == PHOTOS
    assert status["queue"] == {"visible": 0, "in_flight": 0, "delayed": 0}
    assert all(image["verdict"] or image["reason_codes"] for image in images)
    assert all(image["scored_by"].startswith("headless:") for image in images if image["verdict"])


def test_upload_beside_a_running_demo_goes_through_and_is_not_repeated(demo: Demo, tmp_path: Path) -> None:
    """One more tenant, one folder, one unreadable file: named, and the rest arrives once."""
    missing = str(tmp_path / "missing.jpg")

    added = demo.run("tenant", "add", "acme")
    first = demo.run("upload", str(demo.photos), missing, "--tenant", "acme")
    again = demo.run("upload", str(demo.photos), "--tenant", "acme")

    assert added.returncode == 0, added.stderr
    assert (first.returncode, again.returncode) == (2, 0), first.stderr + again.stderr
    assert f"{PHOTOS} uploaded to acme, 1 failed" in first.stdout
    assert f"{missing}: cannot be read" in first.stderr
    assert f"0 uploaded to acme, {PHOTOS} were there already" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["upload", "{photos}", "--tenant", "nobody"], "parjanya tenant add nobody"),
        (
            ["upload", "{photos}", "--tenant", "demo", "--token", "pj_no", "--url", "{web}"],
            "parjanya token issue",
        ),
        (["images", "--tenant", "nobody"], "parjanya tenant add nobody"),
        (["token", "issue", "--tenant", "nobody", "--role", "admin"], "parjanya tenant add nobody"),
        (["tenant", "add", "Not A Name"], "cannot name a tenant"),
    ],
)
def test_bad_input_is_answered_with_what_to_do(demo: Demo, arguments: list[str], says: str) -> None:
    """An unknown tenant and a wrong token are sentences, not traces."""
    web = demo.sign_in_url.partition("/#")[0]

    ended = demo.run(*(each.format(photos=demo.photos, web=web) for each in arguments))

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: ")
    assert says in ended.stderr
