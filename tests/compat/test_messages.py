"""Messages of version n and n + 1: a mixed fleet works off one queue, and harms no row."""

from dataclasses import replace

import pytest

from parjanya_dagster.aws import truth_items
from parjanya_dagster.core.errors import InvalidIntentError
from parjanya_dagster.core.intent.job import Job, job_for, job_from_json
from parjanya_dagster.core.names import TenantSources
from parjanya_dagster.core.truth.lifecycle import Event, advanced
from parjanya_dagster.core.truth.row import ImageRow, Status
from tests.builders import NAMES, NOON, a_job, a_row, an_original
from tests.compat.v1 import job as v1_jobs
from tests.compat.v1 import lifecycle as v1_lifecycle
from tests.compat.v1 import outcome as v1_outcome
from tests.compat.v1 import row as v1_rows
from tests.compat.v1 import truth_items as v1_items
from tests.compat.v1.names import Names as V1Names


def a_partial_replay() -> ImageRow:
    """Return a decided row that is asked one question again."""
    replayed = advanced(a_row(status=Status.ENRICHED), Event.REPLAYED, now=NOON)
    return replace(replayed, questions=("focus",), returns=1)


def test_version_1_reads_the_jobs_that_we_send() -> None:
    """A worker that is not replaced yet works off today's queue."""
    job = a_job()

    assert v1_jobs.job_from_json(job.model_dump_json()).model_dump() == job.model_dump(
        include=set(v1_jobs.Job.model_fields)
    )


def test_we_read_the_jobs_that_version_1_sent() -> None:
    """A queue seven days deep outlives a deploy."""
    row = v1_items.row_of(truth_items.head_item(a_row()))
    names = V1Names(prefix=NAMES.prefix, account=NAMES.account)

    old = v1_jobs.job_for(row, names=names, intent_id="i", now=NOON)

    assert job_from_json(old.model_dump_json()) == a_job(intent_id="i")


def test_version_1_reads_the_job_of_another_fleet_as_any_other() -> None:
    """It lies on a queue that such a worker never receives from; sent by hand, it is scored where it lies."""
    job = a_job(a_row(fleet="large"))

    assert job.fleet == "large"
    assert v1_jobs.job_from_json(job.model_dump_json()).image_id == job.image_id


def test_version_1_worker_answers_a_partial_replay_whole() -> None:
    """It does not know `questions` and asks all of them: dearer, never wrong, and nothing of it stays.

    The alternative, another message version, would let every such job travel to the dead letters.
    """
    row = a_partial_replay()
    item = truth_items.head_item(row)

    job = v1_jobs.job_from_json(a_job(row).model_dump_json())
    old = v1_items.row_of(item)
    assert not hasattr(job, "questions")
    assert v1_outcome.standing(old, job.generation) is None
    scored = replace(
        v1_lifecycle.advanced(old, v1_lifecycle.Event.SCORED, now=NOON),
        result_id="2-whole",
        decided_generation=2,
        scored_by="headless:i-old",
    )
    changed, removed = v1_items.head_changes(old, scored)
    item = {name: value for name, value in item.items() if name not in removed} | changed

    read = truth_items.row_of(item)
    assert (read.status, read.result_id, read.generation) == (Status.ENRICHED, "2-whole", 2)
    again = advanced(read, Event.REPLAYED, now=NOON)
    assert (again.questions, again.returns) == (None, 0)


def test_version_1_worker_drops_the_job_of_an_erased_row() -> None:
    """A tombstone supersedes its queued jobs for workers of either version."""
    row = a_row()
    tombstone = ImageRow(key=row.key, status=Status.ERASED, generation=row.generation, entered_at=NOON)

    old = v1_items.row_of(truth_items.head_item(tombstone))

    assert old.status is v1_rows.Status.ERASED
    assert v1_outcome.standing(old, row.generation) is not None


def test_version_1_worker_reads_the_original_of_an_adopted_row() -> None:
    """It looks for the preview beside the original, finds none there, and falls back to the original."""
    row = a_row(original=an_original(bucket="archive", key="2019/a.jpg"))
    sources = TenantSources(registered=frozenset({("acme", "archive")}))
    ours = job_for(row, names=NAMES, intent_id="i", now=NOON, sources=sources)

    old = v1_jobs.job_from_json(ours.model_dump_json())

    assert (old.source_bucket, old.source_key) == ("archive", "2019/a.jpg")
    assert ours.previews_in == NAMES.uploads_bucket("acme")


def test_job_of_the_next_version_is_read_and_of_the_one_after_refused() -> None:
    """Version n reads n + 1 as itself plus fields it may ignore; n + 2 is kept for a reader that knows it."""
    job = a_job()
    newer = job.model_dump(mode="json") | {"colour": "red"}

    assert job_from_json(Job(**newer | {"version": 2}).model_dump_json()).key == job.key
    body = job.model_dump_json().replace('"version":1', '"version":3')
    with pytest.raises(InvalidIntentError, match="versions up to 2"):
        job_from_json(body)
