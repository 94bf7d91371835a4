"""Materializing the assets of Truth and Intent: each repairs what its name says, and shows it."""

from datetime import timedelta

import dagster as dg

from parjanya_dagster.core.names import original_key
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.assets_truth import uploads, validated_images
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import NAMES, TENANT, a_key, a_row, an_original
from tests.dagster.stand_ins import WEB, materialized

BUCKET = NAMES.uploads_bucket(TENANT)


def test_uploads_when_an_object_has_no_row_adopts_it(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """An object that nobody knows of becomes a validated row, and the counts agree afterwards."""
    key = a_key(1)
    world.objects.add(BUCKET, original_key(key.image_id, "found.jpg"), b"bytes")

    done = materialized(uploads, TENANT, instance=instance, platform=world.platform())

    assert world.images.rows[key].status is Status.PENDING_VLM_ENRICHMENT
    assert done.table("repaired") == [{"repair": "adopt:validated", "uploads": 1}]
    assert done.metadata["missing_rows"].value == 0
    assert done.metadata["objects"].value == done.metadata["rows_past_upload"].value == 1


def test_uploads_when_a_deadline_passed_without_an_object_closes_the_row(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """An upload that never came is `upload_failed`, and one that may still come is left alone."""
    now = world.clock()
    late = a_row(1, status=Status.PENDING_UPLOAD, due_at=now - timedelta(minutes=1))
    under_way = a_row(2, status=Status.PENDING_UPLOAD, due_at=now + timedelta(minutes=1))
    world.images.add(late, under_way)

    done = materialized(uploads, TENANT, instance=instance, platform=world.platform())

    assert world.images.rows[late.key].status is Status.UPLOAD_FAILED
    assert world.images.rows[under_way.key].status is Status.PENDING_UPLOAD
    assert done.table("repaired") == [{"repair": "upload:abandoned", "uploads": 1}]


def test_uploads_when_images_were_adopted_or_erased_misses_no_object_of_theirs(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """The asset counts as the audit does: neither an archive nor a tombstone owes the bucket an object."""
    elsewhere = an_original(a_key(1), bucket="archive")
    erased = a_row(2, status=Status.ERASED, original=None, due_at=None)
    world.images.add(a_row(1, status=Status.ENRICHED, original=elsewhere, due_at=None), erased)

    done = materialized(uploads, TENANT, instance=instance, platform=world.platform())

    assert done.metadata["missing_objects"].value == 0


def test_uploads_when_another_tenant_is_behind_looks_at_its_own_only(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """A partition is one tenant: the rows of others are none of its business."""
    other = a_row(1, tenant_id="other", status=Status.PENDING_UPLOAD, due_at=world.clock())
    world.images.add(other)

    materialized(uploads, TENANT, instance=instance, platform=world.platform())

    assert world.images.rows[other.key].status is Status.PENDING_UPLOAD


def test_validated_images_when_a_row_is_stuck_ingests_it_again(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """A row whose ingestion never ended goes through the Lambda's function; its preview is linked."""
    row = a_row(1, status=Status.PENDING_VALIDATION, due_at=world.clock())
    world.images.add(row)
    assert row.original is not None
    world.objects.add(BUCKET, row.original.key, b"bytes")

    done = materialized(validated_images, TENANT, instance=instance, platform=world.platform())

    assert world.images.rows[row.key].status is Status.PENDING_VLM_ENRICHMENT
    assert done.table("ingested_again") == [{"outcome": "validated", "images": 1}]
    assert f"{WEB}/previews/{row.key.image_id}" in done.metadata["newest"].value


def test_validated_images_when_files_were_refused_counts_them_by_reason(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """Rejections are counted once per reason, the most frequent first."""
    refused = Status.REJECTED_TECHNICAL
    world.images.add(
        a_row(1, status=refused, last_error="truncated"),
        a_row(2, status=refused, last_error="truncated,too_small"),
    )

    done = materialized(validated_images, TENANT, instance=instance, platform=world.platform())

    assert done.table("rejects_by_reason") == [
        {"reason": "truncated", "images": 2},
        {"reason": "too_small", "images": 1},
    ]


def test_vlm_intents_when_rows_have_no_job_sends_jobs_and_wakes_the_fleet(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """Incident 2: the cycle repairs the gap of every tenant, asks for capacity, and beats."""
    before = world.clock() - timedelta(minutes=5)
    world.images.add(a_row(1, due_at=before), a_row(2, tenant_id="other", due_at=before))

    done = materialized(vlm_intents, TENANT, instance=instance, platform=world.platform())

    assert len(world.queue.jobs) == 2
    assert world.fleet.desired == 1
    assert "dagster" in world.control.heartbeats()
    assert {"action": "emit:never_sent", "n": 2} in done.table("applied")
    assert done.metadata["backlog"].value == 1


def test_assets_when_started_by_a_person_tag_their_run(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """A run from the UI carries tenant and priority like one from a sensor."""
    for asset in (uploads, validated_images, vlm_intents):
        done = materialized(asset, TENANT, instance=instance, platform=world.platform())

        assert done.run.tags["tenant"] == TENANT
        assert done.run.tags["priority"] == "normal"
