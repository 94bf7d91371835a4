"""A scene's report is what `parjanya simulate --stage CODE --json` prints."""

import pytest

from parjanya_dagster.simulation.scenes import SCENES, run_scene


@pytest.mark.parametrize("code", SCENES)
def test_scene_reports_the_diagnosis_before_and_after_its_repair(code: str) -> None:
    """Two documents of the diagnosis' own contract: named, and healthy again."""
    document = run_scene(code).document()

    assert document["stage"] == code
    assert document["title"] == SCENES[code].title
    assert [each["incident"] for each in document["before"]["findings"]] == [code]
    assert document["after"] == {"findings": []}


def test_scenes_are_the_nine_incidents_with_both_sixths() -> None:
    """Ten codes, as the contract lists them."""
    assert list(SCENES) == ["1", "2", "3", "4", "5", "6a", "6b", "7", "8", "9"]
