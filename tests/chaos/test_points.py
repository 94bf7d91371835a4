"""`kill -9` at every call of ingestion, reconciliation and a worker: real processes, the real local AWS.

Which calls there are is not written down here: a first, unharmed run shows them, and every one is struck.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.local.credentials import Profile
from parjanya_dagster.local.stack import LocalAws
from tests.chaos.points import Ground, standing_ground
from tests.chaos.proxy import Call

pytestmark = [pytest.mark.local_aws, pytest.mark.end_to_end]


@pytest.fixture(scope="module")
def ground(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A deployment without anybody who acts by himself."""
    with standing_ground(local_aws, Path(tmp_path_factory.mktemp("points"))) as found:
        yield found


def finish(ground: Ground, keys: list[ImageKey]) -> None:
    """Let an unharmed plane do the rest: the stream, then a worker."""
    assert ground.run(ground.reconcile(*keys), Profile.OPERATOR) == 0
    repeat(
        ground,
        ground.worker(),
        lambda: all(ground.row(key).status.is_settled for key in keys),
        Profile.WORKER,
    )


def strikes(points: list[Call]) -> list[tuple[Call, bool]]:
    """Return where to strike: before the first write, and after each; in between nothing changes."""
    return [(points[0], False), *((point, True) for point in points)]


def writes(calls: list[Call]) -> list[Call]:
    """Return the calls that may change the world."""
    return [call for call in calls if call.is_write]


def test_ingestion_killed_at_every_write_is_finished_by_the_repeated_event(
    ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    """No photo is lost or validated twice, wherever its function died."""
    ground.proxy.calls.clear()
    first = ground.upload(1)
    assert ground.run(ground.ingest(first), Profile.OPERATOR) == 0
    points = writes(ground.proxy.calls)
    keys = [first]

    for number, (point, after) in enumerate(strikes(points), start=2):
        key = ground.upload(number)
        assert ground.run_killed(ground.ingest(key), Profile.OPERATOR, point, after=after), str(point)
        assert ground.run(ground.ingest(key), Profile.OPERATOR) == 0
        assert ground.row(key).status is Status.PENDING_VLM_ENRICHMENT, f"{point}, after={after}"
        keys.append(key)

    record_property("points struck", len(keys) - 1)
    assert len(points) >= 5, [str(point) for point in points]
    finish(ground, keys)
    assert ground.faults(keys) == []


def test_reconciliation_killed_at_every_write_sends_what_was_missing(
    ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    """Send, then stamp: a crash in between duplicates a job, and never loses it (incident 1)."""
    keys = [ground.upload(100)]
    ground.run(ground.ingest(keys[0]), Profile.OPERATOR)
    ground.empty_fleet()
    ground.proxy.calls.clear()
    assert ground.run(ground.reconcile(keys[0]), Profile.OPERATOR) == 0
    points = writes(ground.proxy.calls)
    struck = 0

    for number, (point, after) in enumerate(strikes(points), start=101):
        key = ground.upload(number)
        ground.run(ground.ingest(key), Profile.OPERATOR)
        ground.empty_fleet()
        struck += ground.run_killed(ground.reconcile(key), Profile.OPERATOR, point, after=after)
        assert ground.run(ground.reconcile(key), Profile.OPERATOR) == 0
        assert ground.row(key).has_outstanding_intent, f"{point}, after={after}"
        keys.append(key)

    record_property("points struck", struck)
    assert struck == len(strikes(points)) >= 5, [str(point) for point in points]
    finish(ground, keys)
    assert ground.faults(keys) == []


def test_worker_killed_at_every_write_leaves_one_verdict_and_no_blame(
    ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    """Truth, then delete: the message comes back, and what was written is not written twice in effect."""
    first = ready(ground, 200)
    ground.proxy.calls.clear()
    score(ground, first)
    points = [call for call in writes(ground.proxy.calls) if call.name.startswith(("dynamodb", "sqs"))]
    keys, struck = [first], 0

    for number, (point, after) in enumerate(strikes(points), start=201):
        key = ready(ground, number)
        struck += ground.run_killed(
            ground.worker(), Profile.WORKER, point, after=after, until=lambda key=key: is_done(ground, key)
        )
        score(ground, key)
        assert ground.row(key).status is Status.ENRICHED, f"{point}, after={after}"
        keys.append(key)

    record_property("points struck", struck)
    assert struck >= 4, [str(point) for point in points]
    assert ground.faults(keys) == []


def test_line_over_a_network_that_cuts_delays_and_lies_decides_every_image_once(ground: Ground) -> None:
    """A tenth of all calls fails before or after its effect; repetition is all it takes."""
    keys = [ground.upload(number) for number in range(300, 312)]

    with ground.bad_network(seed=7) as harmed:
        for key in keys:
            repeat(ground, ground.ingest(key), lambda key=key: ground.row(key).previews is not None)
            repeat(ground, ground.reconcile(key), lambda key=key: ground.row(key).intent_at is not None)
        repeat(
            ground,
            ground.worker(),
            lambda: all(ground.row(key).status.is_settled for key in keys),
            Profile.WORKER,
        )

    assert set(harmed) == {"cut before", "cut after", "503", "delay"}
    assert ground.faults(keys) == []


def ready(ground: Ground, number: int) -> ImageKey:
    """Return an image whose job is on the queue."""
    key = ground.upload(number)
    assert ground.run(ground.ingest(key), Profile.OPERATOR) == 0
    assert ground.run(ground.reconcile(key), Profile.OPERATOR) == 0
    return key


def is_done(ground: Ground, key: ImageKey) -> bool:
    """Whether a worker has nothing left to do: the image is settled, and its message is gone."""
    depth = ground.platform.queue.depth()
    is_empty = not isinstance(depth, Blind) and depth.value.total == 0
    return is_empty and ground.row(key).status.is_settled


def score(ground: Ground, key: ImageKey) -> None:
    """Let unharmed workers settle an image: one that finds itself too slow leaves, and another begins."""
    repeat(ground, ground.worker(), lambda: ground.row(key).status.is_settled, Profile.WORKER)


def repeat(
    ground: Ground, command: list[str], holds: Callable[[], bool], profile: Profile = Profile.OPERATOR
) -> None:
    """Run a process again and again, as its plane would, until a condition holds."""
    for _ in range(10):
        if holds():
            return
        ground.run(command, profile, until=holds)
    assert holds(), command
