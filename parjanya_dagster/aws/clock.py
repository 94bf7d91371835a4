"""The wall clock of the edges: signals and signed URLs carry the time they were made at."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, aware."""
    return datetime.now(tz=UTC)
