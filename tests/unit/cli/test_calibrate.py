"""`parjanya calibrate`: from images on a disk to a file that a policy can name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from gpu_worker.calibration.blanks import BLANK_IMAGES
from gpu_worker.engines.cpu import cpu_engine
from gpu_worker.engines.engine import EngineOptions
from gpu_worker.prompts.pack import shipped_pack
from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.core.policy.document import load_policy
from parjanya_dagster.policies.calibrations import calibration_in
from parjanya_dagster.policies.shipped import shipped_policy

COUNT = 32


def run(*arguments: object) -> Result:
    """Run the command as a person would."""
    return CliRunner().invoke(parjanya, ["calibrate", *map(str, arguments)])


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of stripes of rising contrast, what people say about them, and one that is no image."""
    folder = tmp_path_factory.mktemp("photos")
    lines = ["path,contrast"]
    for number in range(COUNT):
        stripes = np.tile(np.array([-1, 1]).repeat(24), 4)[None, :, None] * (4 + 3.5 * number) + 128
        pixels = np.broadcast_to(stripes, (128, 192, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{number / COUNT}")
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "labels.csv").write_text("\n".join([*lines, "broken.png,0.5"]))
    return folder


def test_calibrate_with_labels_writes_what_a_policy_can_name(photos: Path, tmp_path: Path) -> None:
    """The file is a calibration of this engine and pack; what could not be read is named, not counted."""
    file = tmp_path / "street-1.json"

    result = run("--no-prior", "--labels", photos / "labels.csv", photos, "-o", file)

    assert result.exit_code == 0, result.output
    assert "broken.png: left out" in result.stderr
    assert f"contrast: {COUNT} labels; 200 are recommended" in result.stderr
    assert 'a policy names it as calibration = "street-1"' in result.stdout
    found = calibration_in(tmp_path, "street-1")
    pack = shipped_pack("house-1")
    engine = cpu_engine(EngineOptions())
    found.require(pack_hash=pack.content_hash, fingerprint=engine.fingerprint(pack))
    (question,) = found.questions
    assert (question.question, question.prior, found.labelled_images) == ("contrast", None, COUNT)
    assert question.fit is not None
    assert question.fit.after.error < question.fit.before.error


def test_calibrated_policy_of_the_house_loads_with_the_file(tmp_path: Path) -> None:
    """`--prior-only` corrects every question, needs no image, and prints JSON for scripts."""
    file = tmp_path / "nothing-2.json"

    result = run("--prior-only", "--json", "-o", file)

    assert result.exit_code == 0, result.output
    printed: dict[str, Any] = json.loads(result.stdout)
    found = calibration_in(tmp_path, "nothing-2")
    assert (printed["file"], printed["content_hash"]) == (str(file), found.content_hash)
    assert (printed["blank_images"], printed["labelled_images"]) == (BLANK_IMAGES, 0)
    assert [each.question for each in found.questions] == [each.id for each in shipped_pack().questions]
    document = json.loads(shipped_policy().canonical) | {
        "version": "house-calibrated",
        "calibration": found.id,
    }
    policy = load_policy(json.dumps(document), calibrations=lambda name: calibration_in(tmp_path, name))
    assert policy.calibration == found


def test_calibrate_with_too_few_labels_is_refused_and_writes_nothing(photos: Path, tmp_path: Path) -> None:
    """Three labels are no calibration."""
    file, labels = tmp_path / "street-1.json", tmp_path / "few.csv"
    labels.write_text("path,photograph\n0.png,no\n1.png,no\n2.png,yes\n")

    result = run("--no-prior", "--labels", labels, photos, "-o", file)

    assert "'photograph' has 3 labels; 30 are needed" in str(result.exception)
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--prior-only", "-o", "x.json"), "'x.json' is not NAME-VERSION.json"),
        (("--prior-only", "-o", "nowhere/x-1.json"), "there is no folder nowhere"),
        (("-o", "x-1.json"), "give --labels FILE and the folder IMAGES, or --prior-only"),
        (("--prior-only", "--no-prior", "-o", "x-1.json"), "--prior-only takes neither"),
        (("--prior-only", ".", "-o", "x-1.json"), "--prior-only takes neither"),
        (("--prior-only",), "Missing option"),
    ],
)
def test_calibrate_that_is_asked_badly_says_how_to_ask(
    arguments: tuple[str, ...], complaint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before any image is read."""
    monkeypatch.chdir(tmp_path)

    result = run(*arguments)

    assert result.exit_code == 2
    assert complaint in result.stderr


def test_calibrate_never_writes_over_a_calibration(tmp_path: Path) -> None:
    """A published calibration never changes."""
    (tmp_path / "x-1.json").write_text("mine")

    result = run("--prior-only", "-o", tmp_path / "x-1.json")

    assert "take the next version" in result.stderr
    assert (tmp_path / "x-1.json").read_text() == "mine"


def test_calibrate_asks_the_pack_that_is_named(tmp_path: Path) -> None:
    """The embedded engine measures and can't answer a pack for language models: said at once."""
    result = run("--prior-only", "--pack", "photo-1", "-o", tmp_path / "x-1.json")

    assert "engine cpu can't score 'technical_quality'" in str(result.exception)
