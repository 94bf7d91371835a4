"""Incident 5: a tenant without its marker is seen by what it left elsewhere."""

from parjanya_dagster.core.reconcile.findings import Layer
from tests.incidents.staged import the_finding_of


def test_incident_5_when_missing_marker_is_named_and_written_again() -> None:
    """Incident 5: a tenant without its marker is seen by what it left elsewhere."""
    finding = the_finding_of("5", Layer.TRUTH)

    assert finding.summary == "1 tenant with a bucket or images and no registry marker: brave"
    assert "registered: acme" in finding.evidence
    assert "`parjanya tenant add brave`" in finding.fix
