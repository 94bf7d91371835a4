"""The templates as text: valid for CloudFormation, and consistent with the names the code derives."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.deploy import STACKS, TEMPLATES

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
    assert sorted(path.stem for path in TEMPLATES.glob("*.yaml")) == sorted(STACKS)


@pytest.mark.parametrize("layer", STACKS)
def test_template_when_sent_then_fits_into_the_call(layer: str) -> None:
    """A template needs no bucket of its own to be deployed."""
    assert (TEMPLATES / f"{layer}.yaml").stat().st_size < _SIZE_LIMIT_BYTES
