"""Incident 9: one plane stopped, and the other's heartbeat does not hide it."""

from parjanya_dagster.core.reconcile.findings import Layer
from parjanya_dagster.simulation.fakes.platform import START
from tests.incidents.staged import the_finding_of


def test_incident_9_when_stopped_plane_is_named_beside_a_living_one_and_started() -> None:
    """Incident 9: one plane stopped, and the other's heartbeat does not hide it."""
    finding = the_finding_of("9", Layer.CONTROL_PLANE)

    assert finding.summary.startswith("plane lambda has stopped: the last cycle ended 4 min ago")
    assert "lambda: last heartbeat 4 min ago" in finding.evidence
    assert "dagster: last heartbeat 0 s ago" in finding.evidence
    assert finding.since == START
    assert "one-minute schedule" in finding.fix
