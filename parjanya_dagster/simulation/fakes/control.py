"""In-memory twin of the control store."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import RLock

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.ports import EmptyReadings, Token
from parjanya_dagster.simulation.fakes.calls import Calls


class FakeControlStore:
    """Everything else that is Truth, in dictionaries; safe to share between threads.

    `on_published` is told of every version that comes into force.
    """

    def __init__(self, calls: Calls | None = None) -> None:
        self._calls = calls or Calls()
        self._tenants: dict[str, datetime] = {}
        self._tokens: dict[str, Token] = {}
        self._policies: dict[str, str] = {}
        self._published: str | None = None
        self.on_published: Callable[[str], None] = lambda _version: None
        self._heartbeats: dict[str, datetime] = {}
        self._empty_readings: dict[str, EmptyReadings] = {}
        self._leases: dict[str, tuple[str, datetime, int]] = {}
        self._lock = RLock()

    def register_tenant(self, tenant_id: str, *, now: datetime) -> None:
        """See `ControlStore`."""
        with self._lock, self._calls("control.register_tenant"):
            self._tenants.setdefault(tenant_id, now)

    def tenants(self) -> list[str]:
        """See `ControlStore`."""
        with self._lock, self._calls("control.tenants"):
            return sorted(self._tenants)

    def put_token(self, digest: str, token: Token, *, now: datetime) -> None:
        """See `ControlStore`."""
        del now
        with self._lock, self._calls("control.put_token"):
            self._tokens[digest] = token

    def token(self, digest: str) -> Token | None:
        """See `ControlStore`."""
        with self._lock, self._calls("control.token"):
            return self._tokens.get(digest)

    def publish_policy(self, version: str, document: str, *, now: datetime) -> None:
        """See `ControlStore`."""
        del now
        with self._lock, self._calls("control.publish_policy"):
            if self._policies.setdefault(version, document) != document:
                raise InvalidRequestError(f"policy version '{version}' exists with another document")
            self._published = version
            self.on_published(version)

    def policy(self, version: str) -> str | None:
        """See `ControlStore`."""
        with self._lock, self._calls("control.policy"):
            return self._policies.get(version)

    def policy_versions(self) -> list[str]:
        """See `ControlStore`."""
        with self._lock, self._calls("control.policy_versions"):
            return list(self._policies)

    def published_policy(self) -> str | None:
        """See `ControlStore`."""
        with self._lock, self._calls("control.published_policy"):
            return self._published

    def beat(self, plane: str, *, now: datetime) -> None:
        """See `ControlStore`."""
        with self._lock, self._calls("control.beat"):
            self._heartbeats[plane] = now

    def heartbeats(self) -> dict[str, datetime]:
        """See `ControlStore`."""
        with self._lock, self._calls("control.heartbeats"):
            return dict(self._heartbeats)

    def empty_readings(self, signal: str) -> EmptyReadings | None:
        """See `ControlStore`."""
        with self._lock, self._calls("control.empty_readings"):
            return self._empty_readings.get(signal)

    def remember_empty_readings(self, signal: str, run: EmptyReadings | None) -> None:
        """See `ControlStore`."""
        with self._lock, self._calls("control.remember_empty_readings"):
            self._empty_readings.pop(signal, None)
            if run is not None:
                self._empty_readings[signal] = run

    def take_lease(self, name: str, holder: str, *, now: datetime, duration_s: int) -> int | None:
        """See `ControlStore`."""
        with self._lock, self._calls("control.take_lease"):
            owner, expires_at, fence = self._leases.get(name, (holder, now, 0))
            if owner != holder and expires_at > now:
                return None
            self._leases[name] = (holder, now + timedelta(seconds=duration_s), fence + 1)
            return fence + 1

    def holds_lease(self, name: str, token: int, *, now: datetime) -> bool:
        """See `ControlStore`."""
        with self._lock, self._calls("control.holds_lease"):
            _, expires_at, fence = self._leases.get(name, ("", now, 0))
            return fence == token and expires_at > now
