"""Work between steps: what an instance does while Dagster has nothing for it.

It is a seam, not a feature: the executor knows only that something may use the warm process until a step
comes.
"""

import importlib
from collections.abc import Callable
from typing import Protocol, cast

from parjanya_dagster.asg_executor.errors import ConfigError


class BackgroundWork(Protocol):
    """Work that yields to steps. Both methods run on the child's main thread."""

    def run(self, should_stop: Callable[[], bool]) -> bool:
        """Work until there is none or `should_stop()` is True; return whether any was done.

        Without work it returns at once: an instance whose background work is always busy is never idle.
        """
        ...

    def wanted(self) -> bool:
        """Whether there would be work: one cheap look, nothing received, nothing changed."""
        ...


def load_background(target: str) -> BackgroundWork:
    """Return what the factory named "module:attribute" makes.

    Raises:
        ConfigError: the name is malformed, or there is no such factory.
    """
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"--between-steps wants MODULE:ATTRIBUTE, not {target!r}")
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"--between-steps {target} cannot be loaded: {error}") from error
    return cast("BackgroundWork", factory())
