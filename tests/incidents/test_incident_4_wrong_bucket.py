"""Incident 4: rows that point elsewhere are refused, set aside, and named with both buckets."""

from parjanya_dagster.core.reconcile.findings import Layer
from tests.incidents.staged import the_finding_of, told


def test_incident_4_when_foreign_bucket_is_named_and_its_rows_go_on_once_corrected() -> None:
    """Incident 4: rows that point elsewhere are refused, set aside, and named with both buckets."""
    finding = the_finding_of("4", Layer.INTENT)

    assert finding.summary == "2 rows whose object lies in a bucket that is not their tenant's"
    assert told(finding).count("points to legacy-archive") == 2
    assert "2 of 2 refused and set aside" in finding.evidence
    assert "correct whoever wrote these rows" in finding.fix
