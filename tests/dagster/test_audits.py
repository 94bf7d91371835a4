"""The audit as a job: per tenant and night, in full on Sundays, kept where checks find it."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from parjanya_dagster.control.audit import last_audit
from parjanya_dagster.defs.audits import audit, nightly_audit_schedule
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import TENANT, a_row
from tests.dagster.stand_ins import platform_resource

FRIDAY, SUNDAY = datetime(2026, 3, 6, 1, 30, tzinfo=UTC), datetime(2026, 3, 8, 1, 30, tzinfo=UTC)


def audited(world: FakePlatform, instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:  # noqa: ANN401 - any field of the config
    """Run the job in this process."""
    return audit.execute_in_process(
        run_config={"ops": {"audit_truth": {"config": config}}},
        instance=instance,
        resources={"platform": platform_resource(world.platform())},
    )


@pytest.mark.parametrize(("night", "full"), [(FRIDAY, False), (SUNDAY, True)])
def test_nightly_audit_asks_for_stamps_and_for_every_tenant(night: datetime, full: bool) -> None:  # noqa: FBT001 - pytest's parameter
    """Stamps once, tenants one run each; closed days are read again on Sundays only."""
    with dg.instance_for_test() as instance:  # a schedule's context opens its instance by reference
        instance.add_dynamic_partitions("tenant", ["other", TENANT])
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=night)

        requests: Any = nightly_audit_schedule(context)

    asked = [each.run_config["ops"]["audit_truth"]["config"] for each in requests]
    assert [each["tenant"] for each in asked] == ["", TENANT, "other"]
    assert [each["full"] for each in asked] == [False, full, full]
    assert all(each.tags["priority"] == "low" for each in requests)


def test_audit_of_a_tenant_is_kept_and_shown(world: FakePlatform, instance: dg.DagsterInstance) -> None:
    """Two rows without an object are a number in the run and in Truth."""
    world.images.add(a_row(1), a_row(2))

    result = audited(world, instance, tenant=TENANT)

    assert result.success
    document = last_audit(world.platform(), TENANT)
    assert document is not None
    assert (document["without_object"], document["residue"]) == (2, 2)


def test_audit_without_a_tenant_compares_stamps_with_messages(
    world: FakePlatform, instance: dg.DagsterInstance
) -> None:
    """No tenant owns the queue alone."""
    result = audited(world, instance)

    assert result.success
    assert last_audit(world.platform(), TENANT) is None
