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
