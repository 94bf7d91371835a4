"""Lanes: regrades wait in the gap while the queue holds ten minutes of work."""

from datetime import timedelta

from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.reconcile.lanes import regrade_room
from parjanya_dagster.core.reconcile.limits import Limits
from tests.builders import NOON, a_fleet, a_queue

LIMITS = Limits(regrade_queued=timedelta(minutes=10))
BLIND = Blind(signal="queue.depth", reason="AccessDenied", at=NOON)


def test_room_is_what_the_instances_in_service_finish_in_ten_minutes() -> None:
    """Four images a second for ten minutes are 2,400; two instances take twice that."""
    assert regrade_room(a_queue(), a_fleet(0), images_per_s=4, limits=LIMITS) == 2400
    assert regrade_room(a_queue(), a_fleet(1), images_per_s=4, limits=LIMITS) == 2400
    assert regrade_room(a_queue(), a_fleet(2), images_per_s=4, limits=LIMITS) == 4800


def test_room_shrinks_with_everything_the_queue_holds() -> None:
    """Whatever is queued is in front of a fresh upload, in flight and delayed included."""
    assert regrade_room(a_queue(1000, 300, 100), a_fleet(1), images_per_s=4, limits=LIMITS) == 1000
    assert regrade_room(a_queue(9000), a_fleet(1), images_per_s=4, limits=LIMITS) == 0


def test_room_without_sight_of_the_queue_is_none() -> None:
    """Blind is never zero: the queue may be full already."""
    assert regrade_room(BLIND, a_fleet(1), images_per_s=4, limits=LIMITS) == 0


def test_room_without_sight_of_the_fleet_is_that_of_one_instance() -> None:
    """The least that can be there when anything is done at all."""
    assert regrade_room(a_queue(), BLIND, images_per_s=4, limits=LIMITS) == 2400
