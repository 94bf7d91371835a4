"""The policy that `parjanya up` publishes: the one for what the workers are asked, or an explanation."""

import pytest

from parjanya_dagster.cli.laptop import _publish_shipped_policy
from parjanya_dagster.control.policies import compiled_policy
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.simulation.fakes.platform import a_fake_platform


def test_up_publishes_the_policy_for_the_pack_that_workers_are_asked() -> None:
    """A clean installation judges from its first photo."""
    platform = a_fake_platform().platform()

    _publish_shipped_policy(platform)

    version = platform.control.published_policy()
    assert version == "2026-11-house"
    assert compiled_policy(platform, version).policy.prompt_pack == "house-1"


def test_up_with_a_pack_that_the_engine_cannot_answer_publishes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Said where somebody reads it, not by workers that stop receiving."""
    platform = a_fake_platform().platform()
    monkeypatch.setenv("PARJANYA_WORKER_PACK", "photo-1")

    with pytest.raises(ConfigError, match="engine cpu can't score 'technical_quality'"):
        _publish_shipped_policy(platform)

    assert platform.control.published_policy() is None


def test_up_with_an_engine_that_has_a_checkpoint_does_not_load_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Its workers do, and report it: seventeen gigabytes are not read to publish a document."""
    platform = a_fake_platform().platform()
    settings = {"PARJANYA_ENGINE": "qwen3_vl", "PARJANYA_WORKER_MODEL": str(tmp_path)}
    for name, value in (settings | {"PARJANYA_WORKER_PACK": "photo-1"}).items():
        monkeypatch.setenv(name, value)

    _publish_shipped_policy(platform)

    assert platform.control.published_policy() == "2026-11-photo"
