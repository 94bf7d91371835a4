"""Incident 1: rows were stamped and their jobs lost; stamps that no queue covers name it."""

from parjanya_dagster.core.reconcile.findings import Layer
from parjanya_dagster.simulation.fakes.platform import START
from tests.incidents.staged import the_finding_of, told


def test_incident_1_when_purged_queue_is_named_and_jobs_are_sent_again() -> None:
    """Incident 1: rows were stamped and their jobs lost; stamps that no queue covers name it."""
    finding = the_finding_of("1", Layer.INTENT)

    assert finding.summary == "4 jobs cannot be on any queue, and their rows wait for them"
    assert "intents queue: 0 messages, dead letters: 0" in finding.evidence
    assert "4 rows stamped more than" in told(finding)
    assert finding.since == START
    assert "parjanya reconcile" in finding.fix
