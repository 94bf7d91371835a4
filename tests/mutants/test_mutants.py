"""Mutants: every defect that is put back into the product is noticed, for the right reason."""

import re
from collections import Counter
from typing import Final

import pytest

from tests.mutants.catalogue.everything import MUTANTS
from tests.mutants.checkers import Checker
from tests.mutants.mutant import Mutant

INCIDENTS: Final = ("1", "2", "3", "4", "5", "6a", "6b", "7", "8", "9")
FIELD: Final = (
    "Cortex",
    "terraform-aws-github-runner",
    "SkyPilot",
    "Ray",
    "SageMaker",
    "KEDA",
    "EC2",
    "DBOS",
)
MORE_FIELD: Final = ("geolens", "celery", "SQS", "Functions")
SOURCES: Final = (*INCIDENTS, *FIELD, *MORE_FIELD)
CHECKERS: Final = sorted({mutant.checker for mutant in MUTANTS}, key=repr)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_killed_for_its_own_reason(mutant: Mutant) -> None:
    """The checker that is named finds the promise broken that is named, and no other."""
    finding = mutant.hunted().finding

    assert finding is not None, f"{mutant.name} survived: {mutant.story}"
    assert finding.promise == mutant.breaks, finding.detail


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.name)
def test_checker_finds_nothing_in_the_product_as_it_is(checker: Checker) -> None:
    """What kills a mutant is the defect, not the checker."""
    assert checker.find() is None


@pytest.mark.parametrize("source", SOURCES)
def test_source_has_a_mutant(source: str) -> None:
    """Every incident, and every row of the field notes that concerns the control plane, is put back."""
    assert [mutant.name for mutant in MUTANTS if source in re.split(r"[ ;(:,)/]+", mutant.source)]


def test_mutants_have_names_of_their_own() -> None:
    """A kill table with one name twice tells nothing."""
    assert [name for name, times in Counter(each.name for each in MUTANTS).items() if times > 1] == []
