"""The policy documents that come with the package.

A clean installation judges from its first photo, before anybody has published a policy of their own.
"""

from importlib.resources import files
from typing import Final

from parjanya_dagster.core.policy.document import Policy, load_policy

DEFAULT_VERSION: Final = "2026-11-house"


def shipped_policy(version: str = DEFAULT_VERSION) -> Policy:
    """Return a policy version that came with the package.

    Raises:
        FileNotFoundError: there is none of this version.
    """
    document = files("parjanya_dagster.policies").joinpath(f"{version}.toml")
    return load_policy(document.read_text(encoding="utf-8"))
