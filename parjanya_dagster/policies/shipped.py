"""The policy documents that come with the package, one per prompt pack.

A clean installation judges from its first photo, before anybody has published a policy of their own.
"""

from importlib.resources import files
from typing import Final

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.policy.document import Policy, load_policy
from parjanya_dagster.policies.calibrations import shipped_calibration

DEFAULT_VERSION: Final = "2026-11-house"

_VERSION_OF: Final = {"house-1": DEFAULT_VERSION, "photo-1": "2026-11-photo"}
"""Prompt pack → the policy version that judges its answers."""


def shipped_policy(version: str = DEFAULT_VERSION) -> Policy:
    """Return a policy version that came with the package.

    Raises:
        FileNotFoundError: there is none of this version.
    """
    document = files("parjanya_dagster.policies").joinpath(f"{version}.toml")
    return load_policy(document.read_text(encoding="utf-8"), calibrations=shipped_calibration)


def shipped_policy_for(pack_id: str) -> Policy:
    """Return the policy that came with the package for the answers to a prompt pack.

    Raises:
        ConfigError: none of them judges this pack.
    """
    if pack_id not in _VERSION_OF:
        known = ", ".join(sorted(_VERSION_OF))
        raise ConfigError(
            f"no policy came with the package for prompt pack '{pack_id}'; there is one for {known}"
        )
    return shipped_policy(_VERSION_OF[pack_id])
