"""Incident 6b: a boot that refuses its model files is terminal, and named by file."""

from parjanya_dagster.core.reconcile.findings import Layer
from tests.incidents.staged import the_finding_of, told


def test_incident_6b_when_model_that_does_not_match_is_named_and_the_last_good_one_boots() -> None:
    """Incident 6b: a boot that refuses its model files is terminal, and named by file."""
    finding = the_finding_of("6b", Layer.EXECUTION)

    assert "3 instances booted and refused the model files" in finding.summary
    assert "hash_differs: model-00002-of-00004.safetensors" in told(finding)
    assert "bake the image with exactly the files of its manifest" in finding.fix
