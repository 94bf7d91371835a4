"""Background work for tests: as long as the diary holds a file `work`, there is some."""

import time
from collections.abc import Callable

from tests.asg_executor.jobs import diary, note


class PatientWork:
    """Works until there is none left or a step comes."""

    def run(self, should_stop: Callable[[], bool]) -> bool:
        """Work in small pieces, asking between them."""
        if not self.wanted():
            return False
        note("background")
        while self.wanted() and not should_stop():
            time.sleep(0.02)
        note("yielded")
        return True

    def wanted(self) -> bool:
        """Whether there is work."""
        return (diary() / "work").exists()


class BrokenWork:
    """Raises whenever it is asked to work."""

    def run(self, should_stop: Callable[[], bool]) -> bool:
        """Fail."""
        raise RuntimeError(f"broken background work, stop asked: {should_stop()}")

    def wanted(self) -> bool:
        """There is always some."""
        return True
