"""Calibrations by name: those that came with the package, and those in a folder of one's own.

A policy document names one; from its publication on, the policy carries the content itself.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.policy.calibration import Calibration, load_calibration


def shipped_calibration(calibration_id: str) -> Calibration:
    """Return a calibration that came with the package.

    Raises:
        ConfigError: there is none of this id, or it was changed.
    """
    return calibration_in(files("parjanya_dagster.policies"), calibration_id)


def calibration_in(folder: Traversable, calibration_id: str) -> Calibration:
    """Return the calibration that lies in a folder as `<id>.json`.

    Raises:
        ConfigError: there is none of this id, it was changed, or it has another id than its file.
    """
    known = sorted(
        each.name.removesuffix(".json") for each in folder.iterdir() if each.name.endswith(".json")
    )
    if calibration_id not in known:
        raise ConfigError(
            f"there is no calibration '{calibration_id}'; there is {', '.join(known) or 'none'}"
        )
    calibration = load_calibration(folder.joinpath(f"{calibration_id}.json").read_text(encoding="utf-8"))
    if calibration.id != calibration_id:
        raise ConfigError(f"calibration '{calibration_id}' calls itself '{calibration.id}': rename the file")
    return calibration
