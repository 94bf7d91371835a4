"""The demo as a process: started from nothing on free ports, staying up for the tests that look at it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it publishes no types
import pytest

from parjanya_dagster.local.samples import write_samples
from parjanya_dagster.local.services import MARK, sweep
from parjanya_dagster.local.stack import LocalAws

PHOTOS = 6
WITHIN_S = 240.0


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A demo that stays up.

    Args:
        sign_in_url: address that signs in to the web app.
    """

    home: Path
    photos: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    sign_in_url: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the same home and return what it said."""
        return subprocess.run(
            [*PARJANYA, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )


PARJANYA = (sys.executable, "-u", "-m", "parjanya_dagster.cli.main")


def environment_of(home: Path) -> dict[str, str]:
    """Return an environment whose processes meet no others."""
    ports = {f"PARJANYA_{name}_PORT": "0" for name in ("AWS", "WEB", "DAGSTER")}
    return {**os.environ, **ports, "PARJANYA_HOME": str(home)}


def left_running(home: Path) -> list[str]:
    """Return what still runs of a home."""
    marked = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                marked.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):  # somebody else's, or gone
            continue
    return [*marked, *(["local AWS"] if LocalAws.attach(home / "aws") else [])]


def await_line(log: Path, pattern: str, process: subprocess.Popen[bytes]) -> str:
    """Return the first line of a log that matches, as soon as it is there."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        written = log.read_text()
        if match := re.search(pattern, written):
            return match.group(0)
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"'{pattern}' was not said (status {process.poll()}):\n{log.read_text()}")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a home whose processes end with the test, however it ends."""
    yield tmp_path / "home"
    if aws := LocalAws.attach(tmp_path / "home" / "aws"):
        aws.stop()
    sweep(tmp_path / "home")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of a few sample photos of several kinds."""
    folder = tmp_path_factory.mktemp("photos")
    write_samples(folder, count=PHOTOS)
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Iterator[Demo]:
    """Return a headless demo that has shown its verdicts and stays up."""
    home = tmp_path_factory.mktemp("demo") / "home"
    log = home.parent / "demo.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*PARJANYA, "demo", "--no-dagster", "--photos", str(photos)],
            env=environment_of(home),
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        await_line(log, "Everything stays up", process)
        url = await_line(log, r"http://127\.0\.0\.1:\d+/#token=\S+", process)
        yield Demo(
            home=home,
            photos=photos,
            environment=environment_of(home),
            process=process,
            log=log,
            sign_in_url=url,
        )
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()
