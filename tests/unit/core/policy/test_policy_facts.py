"""Facts: typed, named, and None wherever nothing is known."""

from decimal import Decimal
from typing import Any

from parjanya_dagster.core.policy.facts import QuestionShape, fact_types, facts_of

PHOTOGRAPH = QuestionShape(name="photograph", labels=("yes", "no"), is_ordinal=False)
SHARPNESS = QuestionShape(name="sharpness", labels=("bad", "good"), is_ordinal=True)


def some_facts(**records: Any) -> dict[str, Any]:  # noqa: ANN401 - any record
    """Return facts of an image whose unnamed records are absent."""
    absent = {"answers": None, "technical": None, "exif": None}
    return dict(facts_of(tenant="acme", priority="normal", **{**absent, **records}))


def test_fact_types_follow_the_questions() -> None:
    """A document's questions alone determine what its rules may read."""
    types = fact_types([PHOTOGRAPH, SHARPNESS])

    assert {"p_photograph_yes", "p_photograph_no", "top_photograph", "score_sharpness"} < set(types)
    assert "score_photograph" not in types
    assert types["top_sharpness"].values == ("bad", "good")


def test_answers_become_probabilities_scores_and_the_likeliest_label() -> None:
    """The common answer format is read as it is stored, decimals included."""
    answer = {"probabilities": {"bad": Decimal("0.25"), "good": 0.75}, "score": 0.7, "label_mass": 0.9}

    facts = some_facts(answers={"sharpness": answer, "photograph": {"probabilities": {"yes": 1}}})

    assert facts["p_sharpness_bad"] == 0.25
    assert facts["score_sharpness"] == 0.7
    assert facts["top_sharpness"] == "good"
    assert facts["score_photograph"] is None
    assert facts["label_mass"] == 0.9


def test_label_mass_is_the_least_of_all_questions() -> None:
    """One question that the model did not understand is enough to doubt."""
    masses = {name: {"probabilities": {}, "label_mass": mass} for name, mass in (("a", 0.9), ("b", 0.2))}

    assert some_facts(answers=masses)["label_mass"] == 0.2


def test_technical_facts_are_read_flat_or_nested() -> None:
    """Native statistics may lie beside the others or under `statistics`."""
    flat = some_facts(technical={"format": "JPEG", "width": 6000, "height": 4000, "luma_mean": 99})
    nested = some_facts(technical={"width": 10, "height": 40, "statistics": {"luma_mean": 99.0}})

    assert (flat["format"], flat["megapixels"], flat["aspect_ratio"]) == ("jpeg", 24.0, 1.5)
    assert flat["native_luma_mean"] == nested["native_luma_mean"] == 99.0
    assert nested["aspect_ratio"] == 4.0
    assert nested["native_noise_sigma"] is None


def test_numbers_that_are_none_are_absent() -> None:
    """NaN compares greater than everything, so it must never reach a rule; a truth value is no number."""
    facts = some_facts(technical={"width": float("nan"), "height": True, "size_bytes": "9"})

    assert facts["width"] is facts["height"] is facts["size_bytes"] is facts["megapixels"] is None


def test_exif_presence_is_false_in_a_file_without_and_unknown_before_ingestion() -> None:
    """`NOT has_camera_exif` must not fire on what nobody has looked at."""
    bare, unread = some_facts(exif={"make": "", "model": None}), some_facts()

    assert (bare["has_camera_exif"], bare["has_gps"], bare["has_capture_time"]) == (False, False, False)
    assert (unread["has_camera_exif"], unread["has_gps"], unread["has_capture_time"]) == (None, None, None)


def test_exif_of_a_camera_is_there_with_its_settings() -> None:
    """Settings are numbers with their unit in the name."""
    facts = some_facts(
        exif={
            "make": "NIKON",
            "model": "Z 8",
            "datetime_original": "2026:03:01 12:00:00",
            "gps_latitude": -33.9,
            "gps_longitude": 18.4,
            "iso": 400,
            "exposure_time_s": 0.004,
        },
    )

    assert facts["has_camera_exif"] is facts["has_gps"] is facts["has_capture_time"] is True
    assert (facts["camera_make"], facts["iso"], facts["exposure_time_s"]) == ("NIKON", 400.0, 0.004)
