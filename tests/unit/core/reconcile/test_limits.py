"""Limits."""

from datetime import timedelta

import pytest

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.reconcile.limits import Limits


def test_limits_that_contradict_each_other_are_all_reported() -> None:
    """A person fixes settings once, not one fault at a time."""
    with pytest.raises(ConfigError) as caught:
        Limits(visibility=timedelta(seconds=10), max_emissions=0)

    assert "visibility" in str(caught.value)
    assert "max_emissions" in str(caught.value)


def test_postponement_doubles_up_to_its_bound_however_often() -> None:
    """A tenant that fails for a week is looked at once an hour, and its date never overflows."""
    limits = Limits()

    waits = [limits.postponement(times) for times in (0, 1, 2, 10, 10_000)]

    assert waits[:3] == [timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=120)]
    assert waits[3:] == [timedelta(hours=1)] * 2
