"""Incident 2: an empty queue over a backlog is not "no work"; the rows themselves name it."""

from parjanya_dagster.core.reconcile.findings import Layer
from parjanya_dagster.simulation.fakes.platform import START
from tests.incidents.staged import the_finding_of


def test_incident_2_when_silent_stream_over_an_empty_queue_is_named_and_jobs_are_sent() -> None:
    """Incident 2: an empty queue over a backlog is not "no work"; the rows themselves name it."""
    finding = the_finding_of("2", Layer.INTENT)

    assert finding.summary.startswith("3 rows due to be scored for up to 100 s")
    assert "acme: 3 rows" in finding.evidence
    assert "intents queue: 0 messages" in finding.evidence
    assert finding.since == START
    assert finding.fix.startswith("`parjanya reconcile` sends the missing jobs")
