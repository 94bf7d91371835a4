"""Traces: complete, in order, the same every time."""

from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.simulation.forecast.arrivals import Arrival, all_at_once, evening

EVENING_S = 5 * 3600.0


@given(images=st.integers(1, 100_000), photographers=st.integers(1, 60))
def test_evening_when_split_among_photographers_keeps_every_image_and_its_order(
    images: int, photographers: int
) -> None:
    """No image is lost or invented, and time only goes forward from the evening's begin."""
    trace = evening(images, photographers=photographers, length_s=EVENING_S, upload_s_per_image=2)

    assert sum(arrival.images for arrival in trace) == images
    assert all(arrival.images >= 1 for arrival in trace)
    assert [arrival.at_s for arrival in trace] == sorted(arrival.at_s for arrival in trace)
    assert trace[0].at_s >= 0


def test_evening_when_asked_twice_is_the_same_and_peaks_in_the_middle() -> None:
    """The trace is data, not chance; more arrives in the middle third than in the two others together."""
    trace = evening(3000, photographers=24, length_s=EVENING_S, upload_s_per_image=2)
    middle = sum(each.images for each in trace if EVENING_S / 3 <= each.at_s < 2 * EVENING_S / 3)

    assert trace == evening(3000, photographers=24, length_s=EVENING_S, upload_s_per_image=2)
    assert middle > 1500


def test_evening_of_one_upload_arrives_at_the_speed_of_its_line() -> None:
    """The last image is there when all of them went over the line, one after the other."""
    trace = evening(100, photographers=1, length_s=EVENING_S, upload_s_per_image=3)

    assert trace[-1].at_s == EVENING_S / 2 + 300


def test_all_at_once_is_one_arrival_at_the_beginning() -> None:
    """A burst has no shape."""
    assert all_at_once(1_000_000) == (Arrival(at_s=0.0, images=1_000_000),)
