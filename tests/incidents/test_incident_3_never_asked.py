"""Incident 3: jobs wait and nothing executes, since nobody asked for an instance."""

from parjanya_dagster.core.reconcile.findings import Layer
from parjanya_dagster.simulation.fakes.platform import START
from tests.incidents.staged import the_finding_of


def test_incident_3_when_capacity_that_stayed_zero_is_named_and_raised_in_one_call() -> None:
    """Incident 3: jobs wait and nothing executes, since nobody asked for an instance."""
    finding = the_finding_of("3", Layer.EXECUTION)

    assert finding.summary.startswith("2 jobs waiting for up to 2 min, and no instance asked for")
    assert "fleet: 0 desired, 0 in service, at most 4" in finding.evidence
    assert finding.since == START
    assert "one call" in finding.fix
    assert "autoscaling:SetDesiredCapacity" in finding.fix
