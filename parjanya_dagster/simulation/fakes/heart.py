"""In-memory twin of what listens for heartbeats."""

from datetime import datetime

from parjanya_dagster.simulation.fakes.calls import Calls


class FakeHeart:
    """Remembers every beat, by plane."""

    def __init__(self, calls: Calls | None = None) -> None:
        self.beats: dict[str, list[datetime]] = {}
        self._calls = calls or Calls()

    def beat(self, plane: str, *, now: datetime) -> None:
        """See `Heart`."""
        with self._calls("heart.beat"):
            self.beats.setdefault(plane, []).append(now)
