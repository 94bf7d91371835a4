"""Episodes: whole worlds, from their first upload to their rest."""

import pytest

from parjanya_dagster.simulation.coverage import every_action, every_transition
from parjanya_dagster.simulation.episode import play
from parjanya_dagster.simulation.run import Report, run

_SEED = 6
_STEPS = 400_000
NOT_REACHED = {
    "vlm_failed --scored--> enriched": "a success behind a dead letter: tests/unit/gpu_worker/test_settle",
    "Replay": "a row that contradicts itself, which nobody writes: tests/unit/core/reconcile/test_plan",
}
"""What no simulated world reaches, and where it is proven instead."""


@pytest.fixture(scope="module")
def report() -> Report:
    """What came of CI's worlds, played once."""
    return run(_SEED, steps=_STEPS)


def test_worlds_whatever_befalls_them_keep_every_promise(report: Report) -> None:
    """No invariant is broken while faults happen, and in the calm everything comes to rest."""
    assert report.failed is None, f"{report.failed.violations}\n{report.trace}"
    assert report.steps >= _STEPS


def test_worlds_together_meet_every_fault(report: Report) -> None:
    """A kind of fault that never occurs proves nothing."""
    assert report.missing_faults == []


def test_worlds_together_reach_every_transition(report: Report) -> None:
    """The lifecycle's whole table is walked; what is not is named, with the place where it is proven."""
    assert set(report.missing_transitions) - set(NOT_REACHED) == set()


def test_worlds_together_plan_every_action(report: Report) -> None:
    """Every action that reconciliation knows was planned by it somewhere; what was not is named."""
    assert set(report.missing_actions) - set(NOT_REACHED) == set()


def test_everything_that_is_said_not_to_be_reached_exists() -> None:
    """An exception outlives its reason unless somebody looks."""
    assert set(NOT_REACHED) <= every_transition() | every_action()


def test_world_without_faults_turns_every_upload_into_a_verdict() -> None:
    """With nothing but deeds in its trace a world completes each image once."""
    deeds = [place for place in play("3").happened if place[0] == "upload"]

    episode = play("3", only=deeds)

    assert episode.violations == ()
    assert dict(episode.outcomes) == {"completed": len(deeds)}
    assert not episode.faults


def test_world_played_again_is_the_same_to_the_last_step() -> None:
    """A seed is the whole story: the same faults, the same steps, the same outcomes."""
    assert play("5") == play("5")


def test_world_played_from_its_own_trace_is_the_same() -> None:
    """A trace tells everything that happened, so that it can be cut down and played again."""
    episode = play("6")

    assert play("6", only=episode.happened) == episode
