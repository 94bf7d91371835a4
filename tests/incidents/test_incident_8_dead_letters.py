"""Incident 8: what was given up is named, and whose fault each is."""

from parjanya_dagster.core.reconcile.findings import Layer
from tests.incidents.staged import the_finding_of, told


def test_incident_8_when_dead_letters_are_named_by_guilt_and_acknowledged() -> None:
    """Incident 8: what was given up is named, and whose fault each is."""
    finding = the_finding_of("8", Layer.INTENT)

    assert finding.summary == "2 jobs given up and not acknowledged"
    assert "recorded: 2, of these 1 the image's own fault" in finding.evidence
    assert "crashed" in told(finding)
    assert "nothing speaks against the image" in told(finding)
    assert "parjanya redrive" in finding.fix
