"""Patches: a defect is there inside its block, whoever imported what it changes, and nowhere after."""

import pytest

from infra import deploy
from parjanya_dagster.core.execution.outcome import Disposition, Retry, disposition_of
from parjanya_dagster.core.reconcile import capacity_plan
from parjanya_dagster.core.reconcile.turns import in_turns
from tests.mutants.checkers import Contract, Finding
from tests.mutants.patches import Branch, Constant, Template, mutated

LATER = Retry(reason="throttled", delay_s=5)
DELETES = Branch(
    where="parjanya_dagster.core.execution.outcome:disposition_of",
    before="return Disposition.KEEP",
    after="return Disposition.DELETE",
)
TURNS = "parjanya_dagster.core.reconcile.turns:in_turns"


def test_branch_changes_what_was_imported_before_and_is_undone_after() -> None:
    """The function is the same object, so that no importer keeps the sound one."""
    with mutated(DELETES):
        assert disposition_of(LATER) is Disposition.DELETE

    assert disposition_of(LATER) is Disposition.KEEP


def test_branch_is_undone_when_its_block_raises() -> None:
    """A mutant that breaks its checker does not stay behind."""
    with pytest.raises(ValueError, match="on purpose"), mutated(DELETES):
        raise ValueError("on purpose")

    assert disposition_of(LATER) is Disposition.KEEP


def test_two_branches_of_one_function_are_both_there() -> None:
    """A defect may take two changes in one place."""
    first = Branch(where=TURNS, before="key=lambda each: each[:2],", after="key=lambda each: -each[0],")
    second = Branch(where=TURNS, before="islice(ranked, limit)", after="islice(ranked, 1)")

    with mutated(first, second):
        assert in_turns("abc", lambda _each: "acme", limit=3) == ["c"]

    assert in_turns("abc", lambda _each: "acme", limit=3) == ["a", "b", "c"]


@pytest.mark.parametrize("before", ["no such text", "each"])
def test_branch_whose_text_is_not_there_once_says_that_the_product_has_changed(before: str) -> None:
    """A mutant that changes nothing would look like a survivor, or worse, like a kill."""
    gone = Branch(where=TURNS, before=before, after="pass")

    with pytest.raises(LookupError, match="the product has changed"), mutated(gone):
        pass


def test_constant_changes_in_its_module_and_is_undone_after() -> None:
    """A number of the product is a place for a defect too."""
    with mutated(Constant(where="parjanya_dagster.core.reconcile.capacity_plan:_WORK_SHARE", value=0.0)):
        assert capacity_plan._WORK_SHARE == 0.0

    assert capacity_plan._WORK_SHARE == 0.25


def test_template_changes_in_a_copy() -> None:
    """What is deployed is never written to."""
    sound = (deploy.TEMPLATES / "execution.yaml").read_text(encoding="utf-8")
    with mutated(Template(where="execution.yaml", before="DependsOn: BootHook", after="DependsOn: Group")):
        broken = (deploy.TEMPLATES / "execution.yaml").read_text(encoding="utf-8")

    assert "DependsOn: Group" in broken
    assert (deploy.TEMPLATES / "execution.yaml").read_text(encoding="utf-8") == sound


def test_patch_that_does_not_run_is_no_finding() -> None:
    """A mutant is killed by a promise, not by its own misspelling."""
    misspelled = Branch(where=DELETES.where, before="return Disposition.KEEP", after="return Disposal.KEEP")
    contract = Contract("unit.core.execution.test_outcome", "test_disposition_follows_from_the_outcome_alone")

    with pytest.raises(NameError), mutated(misspelled):
        contract.find()


def test_contract_is_held_with_every_set_of_its_parameters() -> None:
    """A defect that only one of them shows is found."""
    contract = Contract("unit.core.execution.test_outcome", "test_disposition_follows_from_the_outcome_alone")

    with mutated(DELETES):
        found = contract.find()

    assert contract.find() is None
    assert isinstance(found, Finding)
    assert found.promise == contract.test
