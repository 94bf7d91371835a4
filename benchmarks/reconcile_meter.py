"""What a cycle of reconciliation costs: its own CPU, apart from what stands in for AWS.

The time of a fake is not the product's: every port of a platform is metered, and its time is taken away.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import GeneratorType
from typing import Any, Final

from parjanya_dagster.control.platform import Platform

PORTS: Final = (
    *("images", "queue", "dead_letters", "objects", "buckets", "control"),
    *("records", "archive", "fleet", "steps", "heart"),
)


@dataclass(slots=True)
class Meter:
    """Calls of ports by `port.method`, and the CPU seconds spent behind them."""

    calls: Counter[str] = field(default_factory=Counter)
    behind_ports_s: float = 0.0

    @contextmanager
    def own_cpu(self) -> Iterator[Callable[[], float]]:
        """Measure a block; the yielded function then gives the CPU seconds that it spent outside of ports."""
        began_s, behind_s, spent = time.process_time(), self.behind_ports_s, [0.0]
        yield lambda: spent[0]
        spent[0] = time.process_time() - began_s - (self.behind_ports_s - behind_s)

    def platform(self, platform: Platform) -> Platform:
        """Return the platform with every port metered."""
        ports: dict[str, Any] = {name: _Port(name, getattr(platform, name), self) for name in PORTS}
        return replace(platform, **ports)


class _Port:
    """A port whose calls are counted and timed."""

    def __init__(self, name: str, port: object, meter: Meter) -> None:
        self._name = name
        self._port = port
        self._meter = meter

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Return the method, metered."""
        call: Callable[..., Any] = getattr(self._port, method)

        def metered(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - any port's arguments and answer
            began_s = time.process_time()
            self._meter.calls[f"{self._name}.{method}"] += 1
            try:
                answer = call(*args, **named)
                # what a generator does later would pass for the product's own work
                return iter(list(answer)) if isinstance(answer, GeneratorType) else answer
            finally:
                self._meter.behind_ports_s += time.process_time() - began_s

        self.__dict__[method] = metered
        return metered
