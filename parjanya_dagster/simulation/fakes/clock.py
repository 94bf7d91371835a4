"""A clock that moves only when a test says so."""

from datetime import datetime, timedelta


class FakeClock:
    """Returns the time it was set to; passes wherever a `clock: Callable[[], datetime]` is wanted."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time now."""
        return self.now

    def advance(self, **by: float) -> datetime:
        """Move the clock; `by` is what `timedelta` takes, e.g. `advance(minutes=3)`. Return the new time."""
        self.now += timedelta(**by)
        return self.now
