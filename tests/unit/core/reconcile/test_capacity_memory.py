"""What capacity learns: each piece of evidence once, robustly, and within bounds."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parjanya_dagster.core.belief.boot import Boot, BootStage
from parjanya_dagster.core.belief.signals import Instance, Launch
from parjanya_dagster.core.reconcile.capacity_memory import (
    MARKS,
    SAMPLES,
    BootMark,
    CapacityMemory,
    learned_from,
    with_boots,
    with_gap,
    with_marks,
    with_rate,
)
from parjanya_dagster.core.reconcile.capacity_plan import Learned
from tests.builders import NOON

PRIOR = Learned(start=timedelta(seconds=240), images_per_s=4.0)


def at(seconds: float) -> datetime:
    """Return a time after noon."""
    return NOON + timedelta(seconds=seconds)


def a_boot(
    stage: BootStage = BootStage.READY,
    *,
    began_s: float = 0,
    ended_s: float = 90,
    **changes: Any,  # noqa: ANN401 - any field
) -> Boot:
    """Return the boot of `i-1`."""
    boot = Boot(instance_id="i-1", started_at=at(began_s), stage=stage, at=at(ended_s))
    return replace(boot, **changes)


def a_launch(started_s: float = -30, **changes: Any) -> Launch:  # noqa: ANN401 - any field
    """Return the launch of `i-1`."""
    launch = Launch(activity_id="a-1", instance_id="i-1", is_warm=False, started_at=at(started_s))
    return replace(launch, **changes)


def folded(
    *boots: Boot, launches: Sequence[Launch] = (), of: CapacityMemory | None = None, version: str | None = "1"
) -> CapacityMemory:
    """Return a memory with this evidence."""
    known = [Instance(instance_id="i-1", lifecycle="InService", is_protected=True, template_version="1")]
    return with_boots(
        of or CapacityMemory(), boots=boots, launches=launches, instances=known, version=version
    )


def starts(*seconds: float, is_warm: bool = False) -> CapacityMemory:
    """Return a memory with these start-up times."""
    marks = [
        BootMark(mark=f"m{number}-{is_warm}", version="1", at=at(number), start_s=each, is_warm=is_warm)
        for number, each in enumerate(seconds)
    ]
    return with_marks(CapacityMemory(), marks)


def test_start_is_measured_from_the_launch_to_the_first_receive() -> None:
    """What a person waits for, not what the process sees of it."""
    [mark] = folded(a_boot(), launches=[a_launch()]).marks

    assert mark.start_s == 120.0
    assert (mark.version, mark.error, mark.is_warm) == ("1", None, False)


def test_start_out_of_the_warm_pool_is_a_sample_of_its_own() -> None:
    """Half a minute and four are not one distribution."""
    memory = folded(a_boot(), launches=[a_launch(is_warm=True)])

    assert learned_from(memory, (), prior=PRIOR, is_warm=True).start == timedelta(seconds=120)
    assert learned_from(memory, (), prior=PRIOR).start == PRIOR.start


def test_process_that_starts_again_is_no_second_start_of_its_instance() -> None:
    """Hours of service are not a start-up time; that it came up again counts all the same."""
    first, again = a_boot(), a_boot(began_s=3000, ended_s=3010)

    memory = folded(again, first, launches=[a_launch()])

    assert [each.start_s for each in memory.marks] == [120.0, None]
    assert learned_from(memory, (), prior=PRIOR).start == timedelta(seconds=120)


@pytest.mark.parametrize("launches", [[], [a_launch(-7200)], [a_launch(100)], [a_launch(instance_id="i-2")]])
def test_start_without_a_launch_it_can_be_counted_from_is_none(launches: list[Launch]) -> None:
    """A launch of another instance, after it, or an outage ago measures nothing."""
    [mark] = folded(a_boot(), launches=launches).marks

    assert mark.start_s is None


def test_boot_that_has_not_ended_is_not_counted() -> None:
    """Loading for long is neither success nor failure."""
    assert folded(a_boot(BootStage.LOADING)) == CapacityMemory()


def test_boot_that_failed_names_its_error_and_version() -> None:
    """Incident 6b: the stage's error is what a person reads."""
    [mark] = folded(a_boot(BootStage.VERIFYING, error="no weights", template_version="9")).marks

    assert (mark.version, mark.error) == ("9", "no weights")


def test_boot_of_an_unknown_version_says_nothing_about_any() -> None:
    """A group without a launch template has no version to blame."""
    stranger = replace(a_boot(), instance_id="i-9")

    assert folded(stranger, version=None) == CapacityMemory()


def test_launch_that_failed_for_its_template_counts_as_a_failed_boot() -> None:
    """Incident 6a: no worker ever lives to say so."""
    failed = a_launch(instance_id=None, error="The AMI ID does not exist", blames_template=True)

    assert [each.error for each in folded(launches=[failed]).marks] == ["The AMI ID does not exist"]
    assert folded(launches=[failed], version=None) == CapacityMemory()
    full = replace(failed, error="InsufficientInstanceCapacity", blames_template=False)
    assert folded(launches=[full]) == CapacityMemory()


def test_evidence_when_folded_again_changes_nothing() -> None:
    """Two planes may fold the same boots, and late evidence is not counted twice."""
    evidence = (a_boot(BootStage.LOADING, error="x", began_s=5), a_boot())
    once = folded(*evidence, launches=[a_launch()])

    assert folded(*evidence, launches=[a_launch()], of=once) == once


def test_evidence_that_was_forgotten_for_its_age_does_not_come_back() -> None:
    """A full memory and a longer list of boots must not push each other around for ever."""
    marks = [BootMark(mark=f"m{number:02}", version="1", at=at(number)) for number in range(MARKS + 5)]
    memory = with_marks(CapacityMemory(), marks)

    assert len(memory.marks) == MARKS
    assert with_marks(memory, marks) == memory


def test_last_good_version_survives_what_fails_after_it() -> None:
    """The fall-back must be known when it is needed."""
    good = BootMark(mark="good", version="1", at=NOON)
    bad = [BootMark(mark=f"b{n}", version="2", at=at(n + 1), error="x") for n in range(MARKS + 1)]

    assert with_marks(with_marks(CapacityMemory(), [good]), bad).good_version == "1"


@given(
    st.lists(st.floats(5, 600), min_size=SAMPLES, max_size=SAMPLES), st.lists(st.floats(1e4, 1e9), max_size=4)
)
def test_estimate_is_unmoved_by_any_minority_of_odd_samples(sound: list[float], odd: list[float]) -> None:
    """The median of nine lies among the sound ones as long as they are the majority."""
    kept = sound[len(odd) :]

    estimate = learned_from(
        CapacityMemory(), [*kept, *odd], prior=Learned(start=PRIOR.start, images_per_s=60)
    )

    assert min(kept) <= estimate.images_per_s <= max(kept)


@given(st.lists(st.floats(0.001, 1e9), max_size=20))
def test_estimate_stays_within_a_factor_of_its_prior(samples: list[float]) -> None:
    """Whatever was measured, capacity neither explodes nor vanishes."""
    learned = learned_from(starts(*samples), samples, prior=PRIOR)

    assert PRIOR.images_per_s / 20 <= learned.images_per_s <= PRIOR.images_per_s * 20
    assert PRIOR.start / 20 <= learned.start <= PRIOR.start * 20


def test_estimate_without_samples_is_the_prior() -> None:
    """A new platform believes its settings."""
    assert learned_from(CapacityMemory(), (), prior=PRIOR) == PRIOR


def test_gaps_and_rates_are_kept_to_the_newest() -> None:
    """The world of last month is forgotten."""
    memory, rates = CapacityMemory(), list[float]()
    for number in range(SAMPLES + 2):
        memory, rates = with_gap(memory, timedelta(seconds=number)), with_rate(rates, number)

    assert memory.gaps_s == tuple(float(number) for number in range(2, SAMPLES + 2))
    assert rates == list(memory.gaps_s)


def test_memory_when_written_and_read_is_the_same() -> None:
    """One small document holds all of it."""
    memory = replace(
        folded(a_boot(), launches=[a_launch()]), gaps_s=(12.5,), suspects={"i-1": NOON}, good_version="1"
    )

    assert CapacityMemory.of(memory.document()) == memory


def test_launch_given_up_after_its_worker_reported_a_failed_boot_is_one_failure() -> None:
    """Otherwise two bad boots open a breaker that is meant for three."""
    boot = a_boot(BootStage.LOADING, error="no weights")
    abandoned = a_launch(error="the launch was abandoned", blames_template=True)

    memory = folded(boot, launches=[abandoned, a_launch(instance_id="i-2", error="x", blames_template=True)])

    assert sorted(str(each.error) for each in memory.marks) == ["no weights", "x"]
