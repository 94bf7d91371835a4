"""`parjanya status`: one look that says whether to look further."""

from io import StringIO
from typing import Any

from rich.console import Console

from parjanya_dagster.cli.status import platform_report, show_platform
from parjanya_dagster.control.reconcile import reconcile_world
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.errors import UnavailableError
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, TENANT, a_job, a_row


def a_world() -> FakePlatform:
    """Return a platform whose planes both beat a moment ago, with one decided image."""
    world = a_fake_platform()
    add_tenant(world.platform(), TENANT)
    world.images.add(a_row(1, status=Status.ENRICHED))
    for plane in ("lambda", "dagster"):
        world.control.beat(plane, now=world.clock())
    return world


def shown(report: dict[str, Any]) -> str:
    """Return what a person sees."""
    text = StringIO()
    show_platform(Console(file=text, width=200), report)
    return text.getvalue()


def test_status_when_all_is_well_says_so_in_every_line() -> None:
    """Silence would be no answer."""
    report = platform_report(a_world().platform())
    told = shown(report)

    assert report["findings"] == []
    assert report["tenants"] == {TENANT: {"enriched": 1}}
    for words in (
        f"{TENANT}          1 enriched",
        "backlog       nothing waits",
        "dead letters  0 visible, 0 in flight, 0 delayed; on record 0 open",
        "capacity      nothing waits: no instance",
        "heartbeats    lambda 0 s ago, dagster 0 s ago",
        "findings      nothing is wrong",
    ):
        assert words in told


def test_status_when_something_is_wrong_says_what_waits_and_the_first_finding() -> None:
    """The first finding is the most certain and the cheapest to fix; `diagnose` has the others."""
    world = a_world()
    waiting = a_row(2, intent_at=NOON, intent_id="intent-1", emissions=1)
    world.images.add(waiting)
    world.queue.bury(a_job(waiting).model_dump_json())
    reconcile_world(world.platform())
    world.clock.advance(seconds=61)  # until its turn comes again

    report = platform_report(world.platform())

    assert report["backlog"] == {TENANT: 1}
    assert report["open_dead_letters"] == 1
    assert report["findings"][0]["incident"] == "8"
    assert "backlog       1 acme" in shown(report)
    assert "findings      1: 1 job given up and not acknowledged. More: `parjanya diagnose`" in shown(report)


def test_status_when_nothing_can_be_read_is_blind_in_every_line_and_raises_nothing() -> None:
    """Blind is never zero, and a status that fails is none."""
    world = a_world()
    reads = "queue.depth queue.dead_letter_depth fleet.size images.listing images.outstanding images.due_gaps"
    reads += " records.get records.newest control.published_policy control.tenants control.heartbeats"
    for name in (*reads.split(), "images.get_many", "control.empty_readings", "buckets.existing"):
        world.calls.fail(name, UnavailableError("no answer"), times=99)

    told = shown(platform_report(world.platform()))

    assert told.count("BLIND") >= 8
    assert "nothing is wrong" not in told
