"""Promises of the deployed resources that mutants asked for and no other test held."""

from typing import Any, Final

from cfnlint.decode import decode  # type: ignore[import-untyped]  # it publishes no types

from infra import deploy

_PLANES: Final = 2


def test_instances_are_born_protected() -> None:
    """KEDA issues 1663, 5948: scale-in must not be able to choose an instance that works."""
    assert _properties(
        "execution", "AWS::AutoScaling::AutoScalingGroup", "NewInstancesProtectedFromScaleIn"
    ) == [True]


def test_alarm_on_a_plane_breaches_when_nothing_is_heard() -> None:
    """Incident 9: a plane that stopped sends no data, and that is the alarm."""
    said = _properties("belief", "AWS::CloudWatch::Alarm", "TreatMissingData")

    assert said.count("breaching") == _PLANES


def test_reconcile_functions_have_a_share_of_their_own() -> None:
    """A burst of uploads cannot starve the stream's function or the schedule's."""
    shares = _properties("control", "AWS::Lambda::Function", "ReservedConcurrentExecutions")

    assert shares.count({"Ref": "ReconcileConcurrency"}) == _PLANES


def _properties(layer: str, kind: str, name: str) -> list[Any]:
    resources = decode(str(deploy.TEMPLATES / f"{layer}.yaml"))[0]["Resources"].values()
    return [each["Properties"].get(name) for each in resources if each["Type"] == kind]
