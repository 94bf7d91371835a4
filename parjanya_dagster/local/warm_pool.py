"""The warm pool of an Auto Scaling group: how many instances it should hold, and which goes next. Pure."""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Record: TypeAlias = dict[str, Any]

POOL: Final = "ParjanyaWarmPool"
WARMED: Final = "ParjanyaWarmed"

_READY: Final = ("Warmed:Running", "Warmed:Hibernated", "Warmed:Stopped")  # the fastest to start first


@dataclass(frozen=True, slots=True)
class Pool:
    """The warm pool of one group; a group without one has a pool that wants nothing."""

    group: Record

    @property
    def configuration(self) -> Record | None:
        """MinSize, MaxGroupPreparedCapacity (None if not set), PoolState, ReuseOnScaleIn, Status; or None."""
        found: Record | None = self.group.get(POOL)
        return found

    @property
    def instances(self) -> list[Record]:
        """Its instances in every state; the list is the record's own."""
        warmed: list[Record] = self.group.setdefault(WARMED, [])
        return warmed

    @property
    def state(self) -> str:
        """The state instances rest in: Stopped, Running or Hibernated."""
        return str((self.configuration or {}).get("PoolState", "Stopped"))

    @property
    def is_wanted(self) -> bool:
        """Whether there is a pool that is not being deleted."""
        return self.configuration is not None and not self.configuration.get("Status")

    @property
    def wanted(self) -> int:
        """How many instances it should hold: what is prepared less what is desired, and at least MinSize."""
        pool = self.configuration
        if pool is None or not self.is_wanted:
            return 0
        prepared = pool["MaxGroupPreparedCapacity"]
        limit = self.group["MaxSize"] if prepared is None else prepared
        return int(max(pool["MinSize"], limit - self.group["DesiredCapacity"], 0))

    @property
    def size(self) -> int:
        """How many it holds, with those that return to it, without those that end."""
        returning = [each for each in self.group["Instances"] if each.get("ParjanyaReturns")]
        return len(self._staying()) + len(returning)

    @property
    def has_room(self) -> bool:
        """Whether another instance may return."""
        return self.size < self.wanted

    @property
    def takes_back(self) -> bool:
        """Whether scale-in returns instances to it."""
        return self.is_wanted and bool((self.configuration or {})["ReuseOnScaleIn"])

    def next_out(self) -> Record | None:
        """Return the instance that scale-out takes, or None if none is ready."""
        ready = [each for each in self.instances if each["LifecycleState"] in _READY]
        return min(ready, key=lambda each: _READY.index(each["LifecycleState"]), default=None)

    def surplus(self) -> list[Record]:
        """Return the instances that may end, the youngest first."""
        return self._staying()[::-1]

    def forget_if_deleted(self) -> bool:
        """Drop the configuration of a deleted pool once its last instance is gone."""
        if self.configuration is None or self.is_wanted or self.instances:
            return False
        del self.group[POOL]
        return True

    def _staying(self) -> list[Record]:
        return [
            each for each in self.instances if not each["LifecycleState"].startswith("Warmed:Terminating")
        ]
