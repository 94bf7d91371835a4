"""Asset checks, once passing and once failing, with the numbers and samples that they owe a person."""

from datetime import timedelta
from typing import Any

import dagster as dg

from parjanya_dagster.control.dead_letters import acknowledge
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.control.sources import register_source
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.reconcile.dead_letters import document_of
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import Status, Verdict
from parjanya_dagster.defs import checks, checks_diagnosis, checks_truth, checks_verdicts
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import NAMES, TENANT, a_decision, a_key, a_result, a_row, an_original
from tests.dagster.stand_ins import WEB, platform_resource, rows_of
from tests.evidence_builders import a_dead_letter
from tests.policy_builders import a_document

BUCKET = NAMES.uploads_bucket(TENANT)


def _evaluated(check: dg.AssetChecksDefinition, world: FakePlatform) -> dg.AssetCheckResult:
    answer: Any = check(platform=platform_resource(world.platform()))
    assert isinstance(answer, dg.AssetCheckResult)
    return answer


def test_intent_gap_check_when_a_row_has_no_job_says_whose_and_since_when(world: FakePlatform) -> None:
    """Incident 2: an empty queue over a backlog fails the check, by tenant and with samples."""
    row = a_row(1, due_at=world.clock() - timedelta(minutes=5))
    world.images.add(row)

    result = _evaluated(checks.intent_gap_check, world)

    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.ERROR
    assert "1 rows" in (result.description or "")
    assert "300 s" in (result.description or "")
    assert rows_of((result.metadata or {})["by_tenant"]) == [{"tenant": TENANT, "rows": 1}]
    assert world.calls.writes == ["control.register_tenant", "control.publish_policy"]


def test_intent_gap_check_when_stream_and_sweep_still_have_time_warns(world: FakePlatform) -> None:
    """Within the grace it is a warning, and a row of a few seconds is no gap at all."""
    world.images.add(a_row(1, due_at=world.clock() - timedelta(seconds=45)))
    assert _evaluated(checks.intent_gap_check, world).severity is dg.AssetCheckSeverity.WARN

    world.images.add(a_row(1, due_at=world.clock() - timedelta(seconds=5)))
    assert _evaluated(checks.intent_gap_check, world).passed


def test_dead_letters_check_warns_at_once_and_fails_after_seven_days(world: FakePlatform) -> None:
    """Given up is a warning with evidence; nobody looking for a week is an error; looking ends both."""
    assert _evaluated(checks.dead_letters_check, world).passed
    letter = a_dead_letter(found_at=world.clock(), sent_at=world.clock())
    records = world.platform().records
    records.put(RecordKind.DEAD_LETTER, letter.record_id, document_of(letter))

    young = _evaluated(checks.dead_letters_check, world)
    world.clock.advance(days=8)
    old = _evaluated(checks.dead_letters_check, world)
    acknowledge(world.platform(), letter.record_id, "ada")

    assert (young.passed, young.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert rows_of((young.metadata or {})["samples"])[0]["image"] == letter.image
    assert (old.passed, old.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (old.metadata or {})["overdue"] == dg.MetadataValue.int(1)
    assert _evaluated(checks.dead_letters_check, world).passed


def test_dead_letters_check_when_letters_are_still_on_the_queue_warns(world: FakePlatform) -> None:
    """What the consumer has not taken yet counts too."""
    world.queue.bury("no job")

    result = _evaluated(checks.dead_letters_check, world)

    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "1 still on the queue" in (result.description or "")


def test_dead_letters_check_when_the_queue_cannot_be_read_fails(world: FakePlatform) -> None:
    """Blind is never zero."""
    world.calls.fail("queue.dead_letter_depth", UnavailableError("no answer"))

    result = _evaluated(checks.dead_letters_check, world)

    assert not result.passed
    assert "blind" in (result.description or "")


def test_no_findings_check_names_each_finding_with_its_fix(world: FakePlatform) -> None:
    """The runbook as one check: what is wrong comes first, with layer, evidence, fix and a page to open."""
    for plane in ("lambda", "dagster"):
        world.control.beat(plane, now=world.clock())
    assert _evaluated(checks_diagnosis.no_findings_check, world).passed
    world.images.add(a_row(1, due_at=world.clock() - timedelta(minutes=5)))
    world.images.add(a_row(2, tenant_id="lonely", due_at=world.clock()))

    result = _evaluated(checks_diagnosis.no_findings_check, world)

    assert not result.passed
    assert (result.description or "").endswith("lonely, and 1 more")
    found = rows_of((result.metadata or {})["findings"])
    assert [(row["layer"], row["incident"]) for row in found] == [("truth", "5"), ("intent", "2")]
    assert "parjanya tenant add lonely" in found[0]["fix"]
    assert (result.metadata or {})["page"] == dg.MetadataValue.url(f"{WEB}/diagnose")


def test_heartbeat_check_when_one_plane_is_silent_names_it(world: FakePlatform) -> None:
    """One plane's health never masks the other's blindness."""
    world.control.beat("dagster", now=world.clock())
    assert "lambda" in (_evaluated(checks.heartbeat_check, world).description or "")

    world.control.beat("lambda", now=world.clock())
    assert _evaluated(checks.heartbeat_check, world).passed

    world.clock.advance(minutes=4)
    world.control.beat("lambda", now=world.clock())
    result = _evaluated(checks.heartbeat_check, world)
    assert not result.passed
    assert "dagster" in (result.description or "")
    assert "lambda" not in (result.description or "")


def test_conservation_check_when_either_side_misses_the_other_samples_both(world: FakePlatform) -> None:
    """An object without a row and a row without its object are both residue, with their image ids."""
    assert _evaluated(checks_truth.conservation_check, world).passed
    lonely, gone = a_key(1), a_row(2, status=Status.ENRICHED)
    world.objects.add(BUCKET, original_key(lonely.image_id, "x.jpg"), b"bytes")
    world.images.add(gone)

    result = _evaluated(checks_truth.conservation_check, world)

    assert not result.passed
    (row,) = rows_of((result.metadata or {})["by_tenant"])
    assert (row["without_row"], row["without_object"]) == (1, 1)
    assert row["samples"] == f"{lonely.image_id} without row, {gone.key.image_id} without object"


def test_conservation_check_when_stamps_outnumber_messages_fails(world: FakePlatform) -> None:
    """Incident 1 in numbers; an unreadable queue is no proof of the contrary."""
    sent_at = world.clock() - timedelta(minutes=5)
    row = a_row(3, intent_at=sent_at, intent_id="lost")
    world.images.add(row)
    assert row.original is not None
    world.objects.add(BUCKET, row.original.key, b"bytes")

    lost = _evaluated(checks_truth.conservation_check, world)
    world.calls.fail("queue.depth", UnavailableError("no answer"))
    blind = _evaluated(checks_truth.conservation_check, world)

    assert "1 of 1 stamps" in (lost.description or "")
    assert (lost.metadata or {})["unaccounted_samples"] == dg.MetadataValue.text(str(row.key))
    assert not lost.passed
    assert "unreadable" in (blind.description or "")
    assert not blind.passed


def test_bucket_routing_check_when_a_row_points_elsewhere_names_it(world: FakePlatform) -> None:
    """A row whose object lies in another tenant's bucket is named with that bucket."""
    world.images.add(a_row(1))
    assert _evaluated(checks_truth.bucket_routing_check, world).passed
    elsewhere = NAMES.uploads_bucket("other")
    astray = a_row(2, original=an_original(a_key(2), bucket=elsewhere))
    world.images.add(astray)

    result = _evaluated(checks_truth.bucket_routing_check, world)

    assert not result.passed
    assert rows_of((result.metadata or {})["samples"]) == [{"image": str(astray.key), "bucket": elsewhere}]


def test_bucket_routing_check_when_an_archive_is_registered_accepts_it(world: FakePlatform) -> None:
    """An adopted original is at home where an operator said so, and only there."""
    adopted = a_row(2, status=Status.ENRICHED, original=an_original(a_key(2), bucket="archive"))
    world.images.add(adopted)
    assert not _evaluated(checks_truth.bucket_routing_check, world).passed

    register_source(world.platform(), TENANT, "archive", who="ada")

    assert _evaluated(checks_truth.bucket_routing_check, world).passed


def test_stuck_rows_check_when_validation_never_ended_is_an_error(world: FakePlatform) -> None:
    """A row that lost its Lambda is an error; one in quarantine waits for a person and warns."""
    assert _evaluated(checks_truth.stuck_rows_check, world).passed
    world.images.add(a_row(1, quarantined=True, last_error="quarantined: no outcome"))
    assert _evaluated(checks_truth.stuck_rows_check, world).severity is dg.AssetCheckSeverity.WARN

    world.images.add(a_row(2, status=Status.PENDING_VALIDATION, due_at=world.clock()))
    result = _evaluated(checks_truth.stuck_rows_check, world)

    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.ERROR
    assert len(rows_of((result.metadata or {})["samples"])) == 2


def test_label_mass_check_when_labels_lose_probability_names_the_question(world: FakePlatform) -> None:
    """An engine that wants to say something else than the labels no longer fits its prompt."""
    row = a_row(1, status=Status.ENRICHED)
    world.images.add(row)
    answers = {"medium": {"label_mass": 1.0}, "focus": {"label_mass": 0.3}}
    world.images.put_result(row.key, a_result(answers=answers))

    result = _evaluated(checks_verdicts.label_mass_check, world)

    assert not result.passed
    assert (result.description or "").endswith("focus")
    table = rows_of((result.metadata or {})["by_question"])
    assert {"question": "focus", "mean": 0.3, "lowest": 0.3} in table


def test_label_mass_check_without_results_passes(world: FakePlatform) -> None:
    """Nothing answered yet is nothing to complain about."""
    assert _evaluated(checks_verdicts.label_mass_check, world).passed


def test_verdict_drift_check_when_shares_move_names_tenant_and_verdict(world: FakePlatform) -> None:
    """Half of the older hundred was accepted, none of the newer: somebody should look."""
    publish_policy(world.platform(), a_document())
    for number in range(1, 201):
        is_accepted = number <= 100 and number % 2
        decision = a_decision(Verdict.ACCEPT if is_accepted else Verdict.REJECT, policy="test-1")
        world.images.add(a_row(number, status=Status.ENRICHED, decision=decision))

    result = _evaluated(checks_verdicts.verdict_drift_check, world)

    assert not result.passed
    assert result.severity is dg.AssetCheckSeverity.WARN
    assert {"tenant": TENANT, "verdict": "accept", "before": 0.5, "now": 0.0} in rows_of(
        (result.metadata or {})["drifts"]
    )


def test_drift_when_few_images_were_decided_is_not_claimed() -> None:
    """Below thirty on a side nothing is said, and a move that chance explains is no drift."""
    assert checks_verdicts.drifts_between(["accept"] * 29, ["reject"] * 100) == []
    assert (
        checks_verdicts.drifts_between(["accept"] * 50 + ["reject"] * 50, ["accept"] * 60 + ["reject"] * 40)
        == []
    )


def test_gap_report_when_runless_says_what_the_check_says(world: FakePlatform) -> None:
    """The sensor's evaluation and the check's result are one report of one function."""
    world.images.add(a_row(1, due_at=world.clock() - timedelta(minutes=5)))
    platform = world.platform()
    gap = checks.gap_of(platform, list(world.images.rows.values()), now=world.clock())

    evaluation = dg.AssetCheckEvaluation(**checks.gap_report(gap))

    assert evaluation.description == _evaluated(checks.intent_gap_check, world).description
    assert evaluation.metadata["rows_without_job"].value == 1
