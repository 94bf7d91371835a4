"""Each shipped policy asks exactly what the prompt pack that it judges can answer."""

from importlib.resources import files

import pytest

from gpu_worker.prompts.pack import QuestionKind, shipped_pack
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.policies.shipped import DEFAULT_VERSION, shipped_policy, shipped_policy_for

PUBLISHED = {
    "house-1": "dfef2bded1bc6aaffdfe9dfabc78a12d3bbef8f8f4898ce98e9b86c2b99a85a7",
    "photo-1": "2aa5f54387232d7048cd8da52fe804369dae3ec0f158dab115285d0e51c92b03",
}


@pytest.mark.parametrize("pack_id", PUBLISHED)
def test_shipped_policy_and_its_pack_agree_on_questions_and_labels(pack_id: str) -> None:
    """A label that one of them misspells would be a fact that is always NULL."""
    policy, pack = shipped_policy_for(pack_id), shipped_pack(pack_id)

    assert policy.prompt_pack == pack.id
    for question in policy.questions:
        asked = pack.question(question.name)
        assert question.labels == asked.label_names
        assert question.ordinal == (asked.kind is QuestionKind.ORDINAL)


def test_every_shipped_pack_and_policy_has_its_other_half() -> None:
    """An engine that answers a shipped pack finds the policy for it, and no policy lies unused."""
    packs = {each.name for each in files("gpu_worker.prompts").iterdir() if each.name.endswith(".json")}
    documents = {
        each.name for each in files("parjanya_dagster.policies").iterdir() if each.name.endswith(".toml")
    }

    assert packs == {f"{pack_id}.json" for pack_id in PUBLISHED}
    assert documents == {f"{shipped_policy_for(pack_id).version}.toml" for pack_id in PUBLISHED}
    assert shipped_policy_for("house-1") == shipped_policy() == shipped_policy(DEFAULT_VERSION)


@pytest.mark.parametrize("pack_id", PUBLISHED)
def test_shipped_policy_is_the_one_that_was_published(pack_id: str) -> None:
    """Versions never change, whatever the document learns to say: rows name them for years."""
    assert shipped_policy_for(pack_id).digest == PUBLISHED[pack_id]


def test_policy_for_a_pack_that_none_judges_is_refused_by_name() -> None:
    """Whoever brings a pack brings a policy."""
    with pytest.raises(ConfigError, match="'mine-1'; there is one for house-1, photo-1"):
        shipped_policy_for("mine-1")
