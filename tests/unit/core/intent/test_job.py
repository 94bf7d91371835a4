"""Jobs."""

import pytest

from parjanya_dagster.core.errors import InvalidIntentError
from parjanya_dagster.core.intent.job import job_for, job_from_json
from parjanya_dagster.core.names import TenantSources
from parjanya_dagster.core.truth.row import Status
from tests.builders import NAMES, NOON, a_job, a_row, an_original


def test_job_survives_the_queue() -> None:
    """What is received is what was sent."""
    job = a_job()

    assert job_from_json(job.model_dump_json()) == job
    assert job.key == a_row().key
    assert job.message_group == "acme.fresh"


def test_job_for_an_object_in_a_foreign_bucket_is_refused_and_names_it() -> None:
    """Incident 4: a job in the wrong bucket cannot be built at all."""
    row = a_row(original=an_original(bucket="somebody-elses"))

    with pytest.raises(InvalidIntentError, match="somebody-elses"):
        job_for(row, names=NAMES, intent_id="i", now=NOON)


def test_job_for_an_object_in_a_registered_source_says_where_its_previews_are() -> None:
    """An adopted original stays where it is; its previews lie in the tenant's own bucket."""
    row = a_row(original=an_original(bucket="archive"))
    sources = TenantSources(registered=frozenset({("acme", "archive")}))

    job = job_for(row, names=NAMES, intent_id="i", now=NOON, sources=sources)

    assert (job.source_bucket, job.previews_in) == ("archive", NAMES.uploads_bucket("acme"))
    assert a_job().previews_in == NAMES.uploads_bucket("acme")


def test_job_for_an_object_in_another_tenants_source_is_refused() -> None:
    """A source is registered for one tenant; the next one's rows may not point into it."""
    row = a_row(original=an_original(bucket="archive"))
    sources = TenantSources(registered=frozenset({("zeta", "archive"), ("acme", "elsewhere")}))

    with pytest.raises(InvalidIntentError, match="nobody registered"):
        job_for(row, names=NAMES, intent_id="i", now=NOON, sources=sources)


def test_job_for_a_row_without_object_is_refused() -> None:
    """No job without an object that was seen."""
    with pytest.raises(InvalidIntentError, match="no object"):
        job_for(a_row(original=None), names=NAMES, intent_id="i", now=NOON)


def test_job_for_a_settled_row_is_refused() -> None:
    """A decided image is not asked for again."""
    with pytest.raises(InvalidIntentError, match="enriched"):
        job_for(a_row(status=Status.ENRICHED), names=NAMES, intent_id="i", now=NOON)


def test_job_without_previews_still_names_the_original() -> None:
    """An adopted row may have no preview yet; the worker falls back to the original."""
    job = job_for(a_row(previews=None), names=NAMES, intent_id="i", now=NOON)

    assert (job.preview_key, job.model_key) == (None, None)


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"version": 2}', "not json"])
def test_job_that_cannot_be_read_is_refused(body: str) -> None:
    """A message of an unknown version is kept for a reader that knows it."""
    with pytest.raises(InvalidIntentError, match="not a job"):
        job_from_json(body)
