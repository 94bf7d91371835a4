"""Preview: what would change, why, and what it costs, without touching anything."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from parjanya_dagster.core.policy.preview import Preview, Tariff, preview_policy
from tests.policy_builders import a_compiled, a_rule, some_answers

CUTOFF = datetime(2026, 3, 1, 12, tzinfo=UTC)
TARIFF = Tariff(seconds_per_image=0.5, usd_per_hour=0.8, instances=2)


def an_image(image_id: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any column
    """Return the row of a sharp photograph, accepted under an older version."""
    row = {
        "tenant": "acme",
        "image_id": image_id,
        "generation": 1,
        "status": "enriched",
        "current_verdict": "accept",
        "current_policy": "test-0",
        "answered_pack": "test-pack",
        "answered_fingerprint": "cpu-1",
    }
    return {**row, **some_answers(), **changes}


def a_preview(*rows: dict[str, Any], top: str = "", cutoff: datetime = CUTOFF) -> Preview:
    """Return the preview of a policy that rejects what is not sharp."""
    compiled = a_compiled(a_rule("score_sharpness < 0.5", rule_id="blurred"), top=top)
    frame = pl.DataFrame(list(rows), infer_schema_length=None)
    return preview_policy(frame, compiled, cutoff=cutoff, tariff=TARIFF)


@pytest.mark.parametrize(
    ("changes", "change", "reason", "questions"),
    [
        ({}, "rules_only", "decided_under_another_version", []),
        ({"current_policy": None, "current_verdict": None}, "rules_only", "never_decided", []),
        ({"current_policy": "test-1"}, "noop", "decided_under_this_version", []),
        ({"p_sharpness_bad": None}, "gpu", "answers_missing", ["sharpness"]),
        ({"answered_pack": None}, "gpu", "answers_missing", ["photograph", "text_heavy", "sharpness"]),
        ({"answered_pack": "old"}, "gpu", "other_prompt_pack", ["photograph", "text_heavy", "sharpness"]),
        (
            {"answered_fingerprint": "x"},
            "gpu",
            "other_fingerprint",
            ["photograph", "text_heavy", "sharpness"],
        ),
        (
            {"answered_fingerprint": None},
            "gpu",
            "other_fingerprint",
            ["photograph", "text_heavy", "sharpness"],
        ),
        ({"status": "vlm_failed"}, "blocked", "vlm_failed", []),
        ({"status": "erased", "answered_pack": None}, "blocked", "erased", []),
    ],
)
def test_row_is_classified_by_what_it_lacks(
    changes: dict[str, Any],
    change: str,
    reason: str,
    questions: list[str],
) -> None:
    """Only missing or foreign answers need the GPU, and then only those."""
    rows = a_preview(an_image("1", **changes), an_image("2"), top='fingerprints = ["cpu-1"]').rows

    assert rows.row(0, named=True)["change"] == change
    assert rows.row(0, named=True)["reason"] == reason
    assert rows.row(0, named=True)["questions"] == questions


def test_row_that_needs_the_gpu_has_no_verdict_yet() -> None:
    """A guess is never shown as a decision."""
    rows = a_preview(an_image("1", p_sharpness_bad=None), an_image("2")).rows

    assert rows["verdict"].to_list() == [None, "accept"]
    assert rows["reason_codes"].to_list() == [None, ["no_rule"]]


def test_question_that_nobody_was_asked_needs_the_gpu_everywhere() -> None:
    """A fact table from before the question has no such column."""
    image = an_image("1")
    del image["p_sharpness_bad"]

    assert a_preview(image).rows["questions"].to_list() == [["sharpness"]]


def test_any_fingerprint_will_do_if_the_policy_names_none() -> None:
    """A house may trust every engine."""
    assert a_preview(an_image("1", answered_fingerprint=None)).rows["change"].to_list() == ["rules_only"]


def test_flips_are_counted_by_tenant_verdicts_and_reason_with_samples() -> None:
    """What a person looks at before paying: only real changes of real decisions."""
    blurred = [an_image(f"b{index}", score_sharpness=0.1) for index in range(7)]
    preview = a_preview(
        *blurred,
        an_image("same"),
        an_image("new", current_verdict=None, current_policy=None),
        an_image("lifted", tenant="beta", current_verdict="reject"),
        an_image("done", current_policy="test-1", current_verdict="reject"),
    )

    assert preview.flips.to_dicts() == [
        {
            "tenant": "acme",
            "current_verdict": "accept",
            "verdict": "reject",
            "reason_code": "blurred",
            "rows": 7,
            "samples": ["b0", "b1", "b2", "b3", "b4"],
        },
        {
            "tenant": "beta",
            "current_verdict": "reject",
            "verdict": "accept",
            "reason_code": "no_rule",
            "rows": 1,
            "samples": ["lifted"],
        },
    ]


def test_classes_are_counted_by_tenant_and_reason() -> None:
    """The table at the head of a preview."""
    preview = a_preview(an_image("1"), an_image("2"), an_image("3", tenant="beta", status="erased"))

    assert preview.classes.rows() == [
        ("acme", "rules_only", "decided_under_another_version", 2),
        ("beta", "blocked", "erased", 1),
    ]


def test_price_counts_only_rows_that_need_the_gpu() -> None:
    """Rules are free; a second instance halves the minutes and not the dollars."""
    price = a_preview(
        an_image("1"), *(an_image(f"g{index}", answered_pack=None) for index in range(720))
    ).price

    assert price.gpu_rows == 720
    assert price.gpu_hours == pytest.approx(0.1)
    assert price.usd == pytest.approx(0.08)
    assert price.minutes == pytest.approx(3.0)


def test_token_is_the_same_whatever_order_rows_come_in() -> None:
    """It names a set of rows, so that planning again finds the same plan."""
    first, second = an_image("1"), an_image("2", tenant="beta")
    same_moment = CUTOFF.astimezone(timezone(timedelta(hours=2)))

    assert a_preview(first, second).token == a_preview(second, first, cutoff=same_moment).token


@pytest.mark.parametrize(
    "changed",
    [
        {"generation": 2},
        {"tenant": "beta"},
        {"answered_pack": None},
        {"current_policy": "test-1"},
    ],
)
def test_token_differs_when_a_row_does(changed: dict[str, Any]) -> None:
    """A commit never carries out what nobody previewed."""
    assert (
        a_preview(an_image("1"), an_image("2", **changed)).token
        != a_preview(an_image("1"), an_image("2")).token
    )


def test_token_differs_with_policy_and_cutoff() -> None:
    """Another version or another moment is another plan."""
    tokens = {
        a_preview(an_image("1")).token,
        a_preview(an_image("1"), cutoff=CUTOFF + timedelta(seconds=1)).token,
        a_preview(an_image("1"), top="review_text_heavy_from = 0.6").token,
    }

    assert len(tokens) == 3


def test_preview_names_what_it_previewed() -> None:
    """The certificate of a commit starts here."""
    preview = a_preview(an_image("1"))

    assert preview.policy_version == "test-1"
    assert (
        preview.policy_digest == a_compiled(a_rule("score_sharpness < 0.5", rule_id="blurred")).policy.digest
    )
    assert preview.cutoff == CUTOFF
