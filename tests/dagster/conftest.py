"""Fakes at today's time, and a Dagster instance that knows their tenants."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.defs.partitions import POLICY_VERSIONS, TENANTS
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import TENANT
from tests.dagster.stand_ins import Tick, platform_resource


@pytest.fixture
def world() -> FakePlatform:
    """One registered tenant, the house policy, and nothing else; now, since runs carry real times."""
    fakes = a_fake_platform(now=datetime.now(tz=UTC), plane="dagster")
    fakes.control.register_tenant(TENANT, now=fakes.clock())
    publish_policy(fakes.platform(), shipped_policy().canonical)
    return fakes


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory, with the partitions that discovery would have added."""
    with dg.DagsterInstance.ephemeral() as opened:
        opened.add_dynamic_partitions(str(TENANTS.name), [TENANT])
        opened.add_dynamic_partitions(str(POLICY_VERSIONS.name), [shipped_policy().version])
        yield opened


@pytest.fixture
def tick(world: FakePlatform, instance: dg.DagsterInstance) -> Callable[..., Tick]:
    """Evaluate a sensor once; nothing is remembered between two ticks but what a cursor is given."""

    def evaluate(sensor: dg.SensorDefinition, *, cursor: str | None = None) -> Tick:
        resources = {"platform": platform_resource(world.platform())}
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources)
        answer: Any = sensor(context)
        assert isinstance(answer, dg.SensorResult | dg.SkipReason)
        return answer

    return evaluate
