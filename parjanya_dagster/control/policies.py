"""Policies in Truth: publishing a version, and reading the one in force."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import ConfigError, InvalidRequestError
from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.policy.document import load_policy

_REFRESH: Final = timedelta(seconds=30)


def publish_policy(platform: Platform, text: str) -> str:
    """Check, write and point to a policy version; return the version.

    Publishing the same document again changes nothing.

    Raises:
        InvalidPolicyError: the document's faults, all together.
        InvalidRequestError: the version exists with another document; versions are immutable.
    """
    policy = load_policy(text)
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
