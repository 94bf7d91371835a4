"""Policies in Truth, and their preview."""

import pytest

from parjanya_dagster.control.policies import PolicyInForce, compiled_policy, publish_policy
from parjanya_dagster.control.preview import preview_tenant
from parjanya_dagster.core.errors import ConfigError, InvalidRequestError
from parjanya_dagster.core.policy.preview import Tariff
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.policies.shipped import DEFAULT_VERSION, shipped_policy
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import a_row, some_facts

TARIFF = Tariff(seconds_per_image=0.25, usd_per_hour=0.8)


def test_published_policy_is_in_force_and_may_be_published_again() -> None:
    """A clean installation judges from its first photo."""
    world = a_fake_platform()
    platform = world.platform()
    for _ in range(2):
        assert publish_policy(platform, shipped_policy().canonical) == DEFAULT_VERSION

    policy = PolicyInForce(platform)

    assert policy.current().policy == shipped_policy()
    assert policy.current() is policy.current()


def test_policy_in_force_is_read_again_after_a_while() -> None:
    """A newly published version reaches every worker within half a minute."""
    world = a_fake_platform()
    platform = world.platform()
    publish_policy(platform, shipped_policy().canonical)
    policy = PolicyInForce(platform)
    policy.current()
    publish_policy(platform, shipped_policy().model_copy(update={"version": "v2"}).canonical)

    world.clock.advance(seconds=31)

    assert policy.current().policy.version == "v2"


def test_policy_in_force_that_is_still_the_same_is_not_compiled_again() -> None:
    """Most of the time nothing was published: then the look costs one small read, and no compilation."""
    world = a_fake_platform()
    platform = world.platform()
    publish_policy(platform, shipped_policy().canonical)
    policy = PolicyInForce(platform)
    compiled = policy.current()
    world.clock.advance(seconds=31)
    world.calls.clear()

    assert policy.current() is compiled
    assert world.calls.names == ["control.published_policy"]


def test_policy_that_was_never_published_is_named() -> None:
    """No verdict without a policy, and the error says what to do."""
    platform = a_fake_platform().platform()

    with pytest.raises(ConfigError, match="no policy is published"):
        PolicyInForce(platform).current()
    with pytest.raises(InvalidRequestError, match="known: none"):
        compiled_policy(platform, "v9")


def test_preview_reads_truth_and_writes_nothing() -> None:
    """A preview pays for nothing and changes nothing."""
    world = a_fake_platform()
    platform = world.platform()
    publish_policy(platform, shipped_policy().canonical)
    world.images.add(a_row(1, status=Status.ENRICHED), a_row(2))
    world.images.put_facts(a_row(1).key, some_facts())
    world.clock.advance(seconds=5)
    world.calls.clear()

    preview = preview_tenant(platform, "acme", compiled_policy(platform, DEFAULT_VERSION), TARIFF)

    assert preview.rows.height == 2
    assert not world.calls.writes
