"""Episodes: whole worlds, from their first upload to their rest."""

import pytest

from parjanya_dagster.simulation.episode import play


@pytest.mark.parametrize("seed", range(12))
def test_world_whatever_befalls_it_keeps_every_promise(seed: int) -> None:
    """No invariant is broken while faults happen, and in the calm everything comes to rest."""
    episode = play(str(seed))

    assert episode.violations == ()


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
