"""The shipped policy asks exactly what the shipped prompt pack can answer."""

from gpu_worker.prompts.pack import QuestionKind, shipped_pack
from parjanya_dagster.policies.shipped import shipped_policy


def test_shipped_policy_and_shipped_pack_agree_on_questions_and_labels() -> None:
    """A label that one of them misspells would be a fact that is always NULL."""
    policy, pack = shipped_policy(), shipped_pack()

    assert policy.prompt_pack == pack.id
    for question in policy.questions:
        asked = pack.question(question.name)
        assert question.labels == asked.label_names
        assert question.ordinal == (asked.kind is QuestionKind.ORDINAL)
