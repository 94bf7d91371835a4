"""A mutant: a defect that somebody really had, put back into this product, and the checker that notices."""

import time
from dataclasses import dataclass

from tests.mutants.checkers import Checker, Finding
from tests.mutants.patches import Patch, mutated


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One defect.

    Args:
        name: short, unique.
        source: the incident, the row of the field notes, or the section of the design that it is from.
        story: what went wrong, for a person.
        patches: what brings it back.
        checker: the cheapest that is known to notice.
        breaks: the promise that is found broken: an invariant of the simulator, or a test.
    """

    name: str
    source: str
    story: str
    patches: tuple[Patch, ...]
    checker: Checker
    breaks: str

    def hunted(self, checker: Checker | None = None) -> "Hunt":
        """Run its own checker, or another, on the product with this defect."""
        checker = checker or self.checker
        checker.prepare()
        began_at = time.perf_counter()
        with mutated(*self.patches):
            finding = checker.find()
        return Hunt(finding=finding, seconds=time.perf_counter() - began_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """What a checker made of a mutant.

    Args:
        finding: None when the mutant survived.
        seconds: wall time.
    """

    finding: Finding | None
    seconds: float
