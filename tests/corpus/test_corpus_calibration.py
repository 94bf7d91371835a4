"""A calibration of the embedded engine on real images: held-out answers must not get worse."""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.core.policy.calibration import Calibration
from parjanya_dagster.policies.calibrations import calibration_in
from tests.corpus.reference import CORPUS, MISSING

TEXT_HEAVY = ("screenshot", "social_card", "infographic", "slide")
CONTENT = ("photo", "banner", "illustration", "mockup", *TEXT_HEAVY)

pytestmark = [pytest.mark.corpus, pytest.mark.skipif(not CORPUS.exists(), reason=MISSING)]


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    """Fit on the corpus' classes, through the command."""
    folder = Path(tmp_path_factory.mktemp("calibration"))
    with (CORPUS / "manifest.csv").open(newline="", encoding="utf-8") as manifest:
        rows = [row for row in csv.DictReader(manifest) if row["class"] in CONTENT]
    said = [
        [
            row["path"],
            *("yes" if each else "no" for each in (row["class"] == "photo", row["class"] in TEXT_HEAVY)),
        ]
        for row in rows
    ]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "photograph", "text_heavy"], *said])
    arguments = ["--no-prior", "--labels", folder / "labels.csv", CORPUS, "-o", folder / "corpus-1.json"]
    result = CliRunner().invoke(parjanya, ["calibrate", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return calibration_in(folder, "corpus-1")


@pytest.mark.parametrize("question", ["photograph", "text_heavy"])
def test_calibration_on_the_corpus_does_not_make_held_out_answers_worse(
    calibrated: Calibration, question: str
) -> None:
    """Each image is corrected by a line that was fitted without it."""
    found = next(each for each in calibrated.questions if each.question == question)

    assert found.fit is not None
    assert found.fit.images > 200
    assert found.fit.after.error <= found.fit.before.error
    assert (found.fit.after.plcc or 0) >= (found.fit.before.plcc or 0) - 0.01
