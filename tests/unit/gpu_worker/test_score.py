"""From pixels to verdict: the path that the worker and `parjanya score` share."""

from pathlib import Path

import pytest
from PIL import Image

from gpu_worker.engines.engine import EngineOptions
from gpu_worker.fetch import scorable
from gpu_worker.score import Subject, judge, warm_engine
from parjanya_dagster.cli.score import packaged_policy, score_paths
from parjanya_dagster.core.truth.row import Verdict
from parjanya_dagster.imaging.decoder import Decoder
from tests.unit.gpu_worker.scripted_engine import ScriptedEngine, a_preview, a_scorer

SCORE_KEYS = {"answers", "scores", "verdict", "reason_codes", "policy_version"}


def test_image_when_judged_gets_every_answer_and_a_decision_of_the_policy() -> None:
    """What the policy reads is what the engine said and what ingestion measured."""
    image = scorable(a_preview(), technical={"width": 10, "height": 10, "format": "PNG"}, exif=None)
    scorer = a_scorer()

    (judged,) = judge(
        scorer, packaged_policy(), [Subject(tenant_id="acme", priority="normal", scorable=image)]
    )

    assert set(judged.answers.by_question) == {question.id for question in scorer.pack.questions}
    assert judged.decision.verdict is Verdict.REJECT
    assert "too_small" in judged.decision.reason_codes


def test_engine_when_named_twice_is_loaded_once() -> None:
    """A warm instance pays for the image alone."""
    assert warm_engine("cpu", EngineOptions()) is warm_engine("cpu", EngineOptions())


def test_scorer_when_its_engine_breaks_on_everything_is_not_sound() -> None:
    """Then no batch is to blame."""

    def broken(_images: object) -> None:
        raise RuntimeError("no device")

    assert a_scorer().answers_probe()
    assert not a_scorer(ScriptedEngine(broken)).answers_probe()


def test_score_records_when_files_are_good_bad_or_missing_have_the_same_keys(tmp_path: Path) -> None:
    """The contract for scripts: one record per path, in order, whatever the files are."""
    good, bad = tmp_path / "good.png", tmp_path / "bad.jpg"
    Image.new("RGB", (640, 480), (90, 120, 60)).save(good)
    bad.write_bytes(b"\xff\xd8\xff not a picture")

    with Decoder() as decoder:
        records = list(score_paths([good, bad, tmp_path / "none"], decoder, a_scorer(), packaged_policy()))

    assert [record["valid"] for record in records] == [True, False, False]
    assert all(record.keys() >= SCORE_KEYS for record in records)
    assert records[0]["answers"]["photograph"] == {"yes": 0.5, "no": 0.5}
    assert records[0]["scores"]["sharpness"] == pytest.approx(0.5)
    assert records[2]["reason_codes"] == ["not_found"]
    assert {record["verdict"] for record in records} <= {"accept", "reject", "review"}
