"""Policies in Truth: publishing a version, and reading the one in force."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import ConfigError, InvalidRequestError
from parjanya_dagster.core.policy.calibration import Calibration
from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.policy.document import load_policy
from parjanya_dagster.policies.calibrations import shipped_calibration

_REFRESH: Final = timedelta(seconds=30)


def publish_policy(
    platform: Platform,
    text: str,
    *,
    asked_pack: str | None = None,
    calibrations: Callable[[str], Calibration] = shipped_calibration,
) -> str:
    """Check, write and point to a policy version; return the version.

    Publishing the same document again changes nothing.

    Args:
        asked_pack: id of the prompt pack that the fleet's engine is asked, where the caller knows it. Under a
            policy for another pack every worker would stop receiving.
        calibrations: returns the calibration that the document names; its content becomes the policy's own.

    Raises:
        InvalidPolicyError: the document's faults, all together.
        InvalidRequestError: the version exists with another document, since versions are immutable; or it
            judges answers that the fleet does not give.
    """
    policy = load_policy(text, calibrations=calibrations)
    if asked_pack not in (None, policy.prompt_pack):
        raise InvalidRequestError(
            f"policy {policy.version} judges answers to prompt pack '{policy.prompt_pack}', but the fleet is "
            f"asked '{asked_pack}' and would stop receiving: publish a policy for that pack, or first start "
            f"workers with PARJANYA_WORKER_PACK={policy.prompt_pack} and an engine that answers it"
        )
    platform.control.publish_policy(policy.version, policy.canonical, now=platform.clock())
    return policy.version


def compiled_policy(platform: Platform, version: str) -> CompiledPolicy:
    """Return a version, ready to judge.

    Raises:
        InvalidRequestError: there is no such version.
    """
    document = platform.control.policy(version)
    if document is None:
        known = ", ".join(platform.control.policy_versions()) or "none"
        raise InvalidRequestError(f"there is no policy version '{version}'; known: {known}")
    return compile_policy(load_policy(document))


@dataclass(slots=True)
class PolicyInForce:
    """The published policy, as one worker sees it: read again every 30 seconds.

    A decision made under a version that was replaced meanwhile is found by the regrade planner.
    """

    platform: Platform
    _compiled: CompiledPolicy | None = None
    _read_at: datetime | None = None

    def current(self) -> CompiledPolicy:
        """Return the policy in force.

        Raises:
            ConfigError: none is published.
        """
        now = self.platform.clock()
        if self._compiled is None or self._read_at is None or now - self._read_at >= _REFRESH:
            version = self.platform.control.published_policy()
            if version is None:
                raise ConfigError("no policy is published; publish one with: parjanya up")
            if self._compiled is None or self._compiled.policy.version != version:
                self._compiled = compiled_policy(self.platform, version)
            self._read_at = now
        return self._compiled
