"""Incident 7: what cannot be read is neither zero nor empty, and nothing follows from it."""

from parjanya_dagster.core.reconcile.findings import Layer
from tests.incidents.staged import the_finding_of, told


def test_incident_7_when_denied_reading_is_named_and_given_back() -> None:
    """Incident 7: what cannot be read is neither zero nor empty, and nothing follows from it."""
    finding = the_finding_of("7", Layer.BELIEF)

    assert finding.summary.startswith("1 signal cannot be read (queue.depth)")
    assert "sqs:GetQueueAttributes" in told(finding)
    assert "last cycles that could read" in told(finding)
    assert finding.since is None
    assert "permission" in finding.fix
