"""The templates as text: valid for CloudFormation, and consistent with the names the code derives."""

import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint.decode import decode

from infra.deploy import FLEET, STACKS, TEMPLATES

_SIZE_LIMIT_BYTES = 51_200  # CloudFormation's limit for a template sent with the call


def test_templates_when_linted_then_are_clean() -> None:
    """cfn-lint finds nothing, warnings included."""
    files = sorted(str(path) for path in TEMPLATES.glob("*.yaml"))

    run = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), *files], capture_output=True, text=True, check=False
    )

    assert run.stdout == ""
    assert run.returncode == 0


def test_templates_when_listed_then_each_has_its_place_in_the_order() -> None:
    """No template is forgotten by the deploy."""
    assert sorted(path.stem for path in TEMPLATES.glob("*.yaml")) == sorted((*STACKS, FLEET))


@pytest.mark.parametrize("layer", [*STACKS, FLEET])
def test_template_when_sent_then_fits_into_the_call(layer: str) -> None:
    """A template needs no bucket of its own to be deployed."""
    assert (TEMPLATES / f"{layer}.yaml").stat().st_size < _SIZE_LIMIT_BYTES


def test_warm_pool_when_created_then_its_hook_is_there_before() -> None:
    """Field lesson (kops 16582): an instance born before the hook is stopped in the middle of its boot."""
    resources = decode(str(TEMPLATES / "execution.yaml"))[0]["Resources"]

    assert resources["WarmPool"]["DependsOn"] == "BootHook"
    assert resources["WarmPool"]["Condition"] == resources["BootHook"]["Condition"]
    # the name that workers answer: gpu_worker.membership, parjanya_dagster.local.fleet
    assert resources["BootHook"]["Properties"]["LifecycleHookName"] == {"Fn::Sub": "${Prefix}-boot"}


@pytest.mark.parametrize("policy", ["ReconcilePolicy", "OperatorPolicy"])
def test_fall_back_when_allowed_then_launches_nothing_but_the_workers_template(policy: str) -> None:
    """AWS asks whoever changes the version for the rights to launch it: these, and no wider ones."""
    resources = decode(str(TEMPLATES / "control.yaml"))[0]["Resources"]
    statements = resources[policy]["Properties"]["PolicyDocument"]["Statement"]
    found = {each["Sid"]: each for each in statements if "Sid" in each}

    assert found["FallBack"]["Condition"]["ArnEquals"]["ec2:LaunchTemplate"]["Fn::Sub"].endswith(
        ":launch-template/${WorkerTemplateId}"
    )
    assert found["FallBackAsWorker"]["Resource"]["Fn::Sub"].endswith(":role/${Prefix}-worker")
    assert found["FallBackAsWorker"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}
    }


@pytest.mark.parametrize("function", ["OnStream", "OnSchedule"])
def test_reconcile_function_when_deployed_then_has_a_share_of_its_own(function: str) -> None:
    """A burst of uploads cannot starve reconciliation."""
    resources = decode(str(TEMPLATES / "control.yaml"))[0]["Resources"]

    assert resources[function]["Properties"]["ReservedConcurrentExecutions"] == {
        "Ref": "ReconcileConcurrency"
    }


def test_stream_when_a_record_fails_then_is_tried_once_more_and_left_to_the_sweep() -> None:
    """A poison record must not hold the stream back."""
    resources = decode(str(TEMPLATES / "control.yaml"))[0]["Resources"]

    assert resources["ImagesStream"]["Properties"]["MaximumRetryAttempts"] == 1


def test_alarms_when_they_fire_then_somebody_is_told() -> None:
    """An alarm without an action is a light in an empty room."""
    resources = decode(str(TEMPLATES / "belief.yaml"))[0]["Resources"]
    alarms = {name: each for name, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}

    assert len(alarms) == 4
    assert {
        name for name, each in alarms.items() if each["Properties"]["AlarmActions"] != [{"Ref": "Alarms"}]
    } == set()
