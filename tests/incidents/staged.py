"""What every incident's test asks: staged, it is named; repaired, nothing is left."""

from parjanya_dagster.core.reconcile.findings import Finding, Layer
from parjanya_dagster.simulation.scenes import run_scene


def the_finding_of(code: str, layer: Layer) -> Finding:
    """Stage an incident and repair it; return its finding, which was the only one before and none after."""
    report = run_scene(code)

    (finding,) = report.before
    assert (finding.incident, finding.layer) == (code, layer)
    assert report.after == ()
    return finding


def told(finding: Finding) -> str:
    """Return the summary and the facts as one text."""
    return "\n".join((finding.summary, *finding.evidence))
