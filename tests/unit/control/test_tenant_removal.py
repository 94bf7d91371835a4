"""Removing tenants: all of it, the marker last, and nothing of anybody else."""

from datetime import timedelta
from typing import Any, Final

import pytest

from parjanya_dagster.control.adoption import Adoption, adopt_source
from parjanya_dagster.control.tenant_removal import open_uploads, removal_certificate, remove_tenant
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.tokens import issue_token
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.calls import Calls
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NAMES, NOON, TENANT, a_key, a_row
from tests.unit.control.killing import KillingCalls, Meanwhile, killed_after
from tests.unit.control.test_erase import fill

BUCKET: Final = NAMES.uploads_bucket(TENANT)


def a_world(*, calls: Calls | None = None) -> FakePlatform:
    """Return a world with two tenants; `acme` has everything a tenant can have."""
    world = a_fake_platform(plane="cli", calls=calls)
    platform = world.platform()
    for tenant_id in (TENANT, "acme-2"):
        add_tenant(platform, tenant_id)
        issue_token(platform, tenant_id=tenant_id, role="admin", subject="ada")
        world.objects.add(f"archive-of-{tenant_id}", "a.jpg", b"image")
        adopt_source(platform, Adoption(tenant_id=tenant_id, bucket=f"archive-of-{tenant_id}"), who="bo")
    for number in (1, 2):
        fill(world, a_row(number, status=Status.ENRICHED))
    world.objects.add(BUCKET, "stray.txt", b"not ours")
    world.records.put(RecordKind.SOURCE, "aaa#archive-of-aaa", {})
    adopted = [row for row in world.images.rows.values() if row.status is Status.PENDING_VALIDATION]
    world.images.add(*(a_row(key=row.key, status=Status.ENRICHED, original=row.original) for row in adopted))
    world.clock.advance(hours=1)
    world.calls.clear()
    return world


def is_gone(world: FakePlatform) -> bool:
    """Whether nothing of `acme` is left, and everything of `acme-2` is."""
    records = [
        [record_id for record_id, _ in world.records.newest(kind, limit=99)]
        for kind in (RecordKind.SOURCE, RecordKind.ADOPTION)
    ]
    return (
        world.control.tenants() == ["acme-2"]
        and not world.objects.versions_in(BUCKET)
        and BUCKET not in world.buckets.created
        and records == [["acme-2#archive-of-acme-2", "aaa#archive-of-aaa"], ["acme-2#archive-of-acme-2##"]]
        and world.archive.forget_tokens("acme-2") == 1
        and world.archive.forget_tokens(TENANT) == 0
        and {row.status for row in world.images.rows.values() if row.key.tenant_id == TENANT}
        == {Status.ERASED}
    )


def test_removed_tenant_leaves_tombstones_and_nothing_else() -> None:
    """Tokens, images, strays, bucket, sources and marker; a neighbour with a longer name keeps its own."""
    world = a_world()
    platform = world.platform()

    removal = remove_tenant(platform, TENANT, who="bo")

    assert removal.removed
    assert is_gone(world)
    document: Any = removal_certificate(platform, TENANT, removal, who="bo")
    assert document["totals"] == {"images": 3, "object_versions": 10, "items": 6, "dead_letters": 2}
    assert (document["tokens"], len(document["stray_object_versions"]), document["removed"]) == (1, 1, True)
    assert len(world.objects.versions_in("archive-of-acme")) == 1


def test_adopted_originals_of_a_removed_tenant_go_when_asked_for() -> None:
    """Otherwise they stay where they were before anybody adopted them."""
    world = a_world()

    remove_tenant(world.platform(), TENANT, who="bo", include_source=True)

    assert world.objects.versions_in("archive-of-acme") == []
    assert len(world.objects.versions_in("archive-of-acme-2")) == 1


def test_tenant_with_open_uploads_is_only_removed_by_force() -> None:
    """Somebody is sending a photo right now."""
    world = a_world()
    until = world.clock() + timedelta(minutes=30)
    world.images.add(a_row(7, status=Status.PENDING_UPLOAD, due_at=until))
    world.images.add(a_row(8, status=Status.PENDING_UPLOAD, due_at=NOON))

    assert [row.key for row in open_uploads(world.platform(), TENANT)] == [a_key(7)]
    with pytest.raises(InvalidRequestError, match=r"1 uploads of 'acme' are open until .* --force"):
        remove_tenant(world.platform(), TENANT, who="bo")
    assert world.calls.writes == []

    first = remove_tenant(world.platform(), TENANT, who="bo", force=True)
    assert not first.removed
    assert max(first.images.settling.values()) < until
    assert world.control.tenants() == [TENANT, "acme-2"]
    world.clock.advance(minutes=5)
    assert remove_tenant(world.platform(), TENANT, who="bo").removed
    assert is_gone(world)


def test_unknown_tenant_is_not_removed() -> None:
    """A misspelt name removes nothing."""
    with pytest.raises(InvalidRequestError, match="not registered: nobody"):
        remove_tenant(a_world().platform(), "nobody", who="bo")


@pytest.mark.parametrize(("times", "removed"), [(2, True), (99, False)])
def test_late_upload_goes_with_the_bucket_or_keeps_it(times: int, *, removed: bool) -> None:
    """A bucket is only removed empty; as long as it fills, the tenant stays and the report says why."""
    calls = Meanwhile("archive.remove_bucket", times=times)
    world = a_world(calls=calls)
    calls.act = lambda: world.objects.add(BUCKET, "originals/late", b"late")

    removal = remove_tenant(world.platform(), TENANT, who="bo")

    assert removal.removed == removed
    assert len(removal.images.left) == (not removed)
    assert (TENANT in world.control.tenants()) != removed


def test_removal_killed_behind_any_write_is_finished_by_a_repetition() -> None:
    """The marker goes last: a removal that stopped is seen in the list, and repeated to the same end."""
    write = 0
    while True:
        write += 1
        calls = KillingCalls()
        world = a_world(calls=calls)
        platform = world.platform()
        if not killed_after(calls, write, lambda p=platform: remove_tenant(p, TENANT, who="bo")):  # type: ignore[misc]  # bound in the loop
            break
        if TENANT in world.control.tenants():
            removal = remove_tenant(platform, TENANT, who="bo")
            document: Any = removal_certificate(platform, TENANT, removal, who="bo")
            assert document["totals"] == {"images": 3, "object_versions": 10, "items": 6, "dead_letters": 2}
        assert is_gone(world)

    assert write > 30
    assert is_gone(world)
