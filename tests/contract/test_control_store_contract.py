"""The contract of `ControlStore`, held by the fake and by DynamoDB."""

from datetime import timedelta

import pytest

from parjanya_dagster.aws.control_dynamodb import DynamoControlStore
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.ports import ControlStore, EmptyReadings, Token
from parjanya_dagster.simulation.fakes.control import FakeControlStore
from tests.builders import NOON
from tests.contract.endpoints import Endpoint

LATER = NOON + timedelta(seconds=30)


@pytest.fixture
def control(endpoint: Endpoint | None) -> ControlStore:
    """An empty control store."""
    if endpoint is None:
        return FakeControlStore()
    endpoint.clear_tables()
    return DynamoControlStore(endpoint.clients.dynamodb, table=endpoint.names.control_table)


def test_tenants_when_registered_again_are_listed_once_in_order(control: ControlStore) -> None:
    """Every presign re-asserts its tenant's marker."""
    assert control.tenants() == []

    for tenant_id in ("zebra", "acme", "zebra"):
        control.register_tenant(tenant_id, now=NOON)

    assert control.tenants() == ["acme", "zebra"]


def test_token_is_found_by_its_digest_only(control: ControlStore) -> None:
    """Who a token speaks for."""
    token = Token(tenant_id="acme", role="uploader", subject="ada")

    control.put_token("digest", token, now=NOON)

    assert control.token("digest") == token
    assert control.token("another") is None


def test_policy_when_published_is_in_force_and_earlier_ones_remain(control: ControlStore) -> None:
    """A rollback is one pointer, since no version ever goes away."""
    assert control.published_policy() is None

    control.publish_policy("v2", "document two", now=NOON)
    control.publish_policy("v1", "document one", now=LATER)

    assert control.published_policy() == "v1"
    assert control.policy_versions() == ["v2", "v1"]
    assert control.policy("v2") == "document two"
    assert control.policy("v3") is None

    control.publish_policy("v2", "document two", now=LATER)
    assert control.published_policy() == "v2"


def test_policy_version_with_another_document_is_refused(control: ControlStore) -> None:
    """A version that changed its meaning would make every decision under it a lie."""
    control.publish_policy("v1", "document", now=NOON)

    with pytest.raises(InvalidRequestError, match="v1"):
        control.publish_policy("v1", "another", now=NOON)

    assert control.policy("v1") == "document"


def test_heartbeats_are_kept_apart_by_plane(control: ControlStore) -> None:
    """One plane's health never masks the other's silence."""
    control.beat("lambda", now=NOON)
    control.beat("dagster", now=NOON)
    control.beat("lambda", now=LATER)

    assert control.heartbeats() == {"lambda": LATER, "dagster": NOON}


def test_empty_readings_are_remembered_and_forgotten_by_signal(control: ControlStore) -> None:
    """Queues and demand each have their own run of empty readings."""
    run = EmptyReadings(since=NOON, last_read_at=LATER)

    control.remember_empty_readings("queues", run)
    assert control.empty_readings("queues") == run
    assert control.empty_readings("demand") is None

    control.remember_empty_readings("queues", None)
    assert control.empty_readings("queues") is None


def test_lease_is_exclusive_until_it_expires(control: ControlStore) -> None:
    """Only one plane lowers the fleet; a dead holder blocks it for the lease's length at most."""
    assert control.take_lease("capacity", "lambda", now=NOON, duration_s=60)
    assert not control.take_lease("capacity", "dagster", now=LATER, duration_s=60)
    assert control.take_lease("capacity", "lambda", now=LATER, duration_s=60)
    assert not control.take_lease("capacity", "dagster", now=NOON + timedelta(seconds=89), duration_s=60)

    assert control.take_lease("capacity", "dagster", now=NOON + timedelta(seconds=90), duration_s=60)
    assert control.take_lease("another", "lambda", now=LATER, duration_s=60)


def test_lease_when_taken_again_fences_the_earlier_holder(control: ControlStore) -> None:
    """Two runs of one function share a name: the later one's token is greater, and the earlier one's void."""
    first = control.take_lease("lowering", "lambda", now=NOON, duration_s=60)
    assert first
    assert control.holds_lease("lowering", first, now=NOON)

    second = control.take_lease("lowering", "lambda", now=LATER, duration_s=60)

    assert second is not None
    assert second > first
    assert not control.holds_lease("lowering", first, now=LATER)
    assert control.holds_lease("lowering", second, now=LATER)
    assert not control.holds_lease("lowering", second, now=LATER + timedelta(seconds=60))
    assert not control.holds_lease("nobody-took-it", 1, now=NOON)
