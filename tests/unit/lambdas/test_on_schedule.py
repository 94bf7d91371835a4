"""The schedule's function: the net below the stream."""

from parjanya_dagster.lambdas.on_schedule import sweep
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from tests.builders import a_row


def test_sweep_repairs_what_the_stream_did_not_tell_and_says_what_it_did() -> None:
    """Incident 2: a silent stream is noticed within a minute."""
    world = a_fake_platform()
    world.images.add(a_row())
    world.clock.advance(minutes=1)

    assert sweep(world.platform()) == {"emit:never_sent": 1, "scale_out": 1}
    assert set(world.control.heartbeats()) == {"lambda"}
