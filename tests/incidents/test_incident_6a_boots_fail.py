"""Incident 6a: launches refused in a row name the template, the cause and the breaker."""

from parjanya_dagster.core.reconcile.findings import Layer
from parjanya_dagster.simulation.fakes.platform import START
from tests.incidents.staged import the_finding_of, told


def test_incident_6a_when_deregistered_image_is_named_and_the_last_good_one_boots() -> None:
    """Incident 6a: launches refused in a row name the template, the cause and the breaker."""
    finding = the_finding_of("6a", Layer.EXECUTION)

    assert "starts failed in a row" in finding.summary
    assert "InvalidAMIID.NotFound" in finding.summary
    assert "breaker open" in told(finding)
    assert finding.since == START
    assert "last good version" in finding.fix
    assert "bake again" in finding.fix
