"""`parjanya score` with a checkpoint: a folder of images in, verdicts out, with nothing running."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from parjanya_dagster.cli.files import engine_options
from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.core.errors import ConfigError
from tests.engines.ordinary_api import noise

SIZES = {"a.png": (8, 8), "b.jpg": (9, 14), "c.png": (14, 9), "d.png": (8, 8), "e.png": (16, 8)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of images of several shapes, and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, (name, grid) in enumerate(SIZES.items()):
        Image.fromarray(noise(*grid, seed=seed)).save(folder / name)
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep passes small on a CPU."""
    monkeypatch.setenv("PARJANYA_WORKER_MICRO_BATCH", "2")


def by_checkpoint(folder: Path) -> tuple[str, ...]:
    """Return the options that name the engine."""
    return ("--engine", "qwen3_vl", "--model", str(folder), "--device", "cpu")


def score(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(parjanya, ["score", *map(str, arguments)], env=env)


def records(result: Result) -> list[dict[str, Any]]:
    """Return the records that were printed."""
    assert result.exception is None, result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("pack", ["house-1", "photo-1"])
def test_folder_is_scored_by_the_checkpoint_in_order(checkpoint: Path, photos: Path, pack: str) -> None:
    """Every file has its record, judged by the policy that came with the pack."""
    found = records(score(*by_checkpoint(checkpoint), "--pack", pack, "--json", photos))

    assert [Path(record["path"]).name for record in found] == [*SIZES, "notes.txt"]
    for record in found[:-1]:
        assert record["verdict"] in {"accept", "review", "reject"}
        assert all(sum(answer.values()) == pytest.approx(1) for answer in record["answers"].values())
        assert len(record["answers"]) > 5
    assert found[-1]["answers"] == {}
    assert len({json.dumps(record["answers"]) for record in found}) == len(found)


def test_batches_change_no_answer(checkpoint: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read ahead and scored together comes out as if each file had been named alone."""
    arguments = (*by_checkpoint(checkpoint), "--json")
    monkeypatch.setenv("PARJANYA_WORKER_MICRO_BATCH", "1")

    together = records(score(*arguments, photos))

    assert together == [records(score(*arguments, photos / record["path"]))[0] for record in together]


def test_model_and_pack_may_come_from_the_environment(checkpoint: Path, photos: Path) -> None:
    """The worker's own settings serve the command too."""
    environment = {
        "PARJANYA_WORKER_MODEL": str(checkpoint),
        "PARJANYA_WORKER_DEVICE": "cpu",
        "PARJANYA_WORKER_PACK": "photo-1",
    }
    by_environment = records(score("--engine", "qwen3_vl", "--json", photos / "a.png", env=environment))
    given = records(score(*by_checkpoint(checkpoint), "--pack", "photo-1", "--json", photos / "a.png"))

    assert by_environment == given


def test_progress_is_shown_to_a_terminal_and_keeps_out_of_the_records(checkpoint: Path, photos: Path) -> None:
    """Long work says how far it is, and what is piped away stays whole."""
    arguments = (*by_checkpoint(checkpoint), "--json", photos)

    watched = score(*arguments, env={"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"})

    assert len(records(watched)) == len(SIZES) + 1
    assert "Scoring" in watched.stderr
    assert "Scoring" not in score(*arguments).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "qwen3_vl"), "PARJANYA_WORKER_MODEL"),
        (("--engine", "qwen3_vl", "--model", ".", "--device", "cpu"), "config.json is missing"),
        (("--engine", "qwen3_vl", "--model", ".", "--device", "abacus"), "abacus"),
        (("--pack", "house-99"), "house-99"),
    ],
)
def test_what_is_missing_is_named(photos: Path, arguments: tuple[str, ...], said: str) -> None:
    """A wrong command is one sentence, before any file is read."""
    result = score(*arguments, photos)

    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)


@pytest.mark.parametrize(("images", "micro_batch"), [(0, 1), (1, 1), (5, 5), (500, 8)])
def test_few_images_do_not_wait_for_a_full_batch(
    images: int, micro_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One image costs one image: on a CPU, a batch that is filled up with copies costs eight."""
    monkeypatch.delenv("PARJANYA_WORKER_MICRO_BATCH")

    assert engine_options(None, None, images=images).micro_batch == micro_batch
