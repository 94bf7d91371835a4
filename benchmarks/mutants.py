"""The kill table: every published defect that is put back into the product, and what notices it.

    python -m benchmarks.mutants [--search] [--write] [NAME ...]

Each mutant is hunted by the checker that CI runs for it. `--search` also lets the whole simulator hunt it,
every story of the mutants and worlds by the seed, to tell whether it alone would have noticed. `--write` puts
the table into docs/mutants.md.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from parjanya_dagster.simulation.sweep import Story
from tests.mutants import stories
from tests.mutants.catalogue.everything import MUTANTS, WITHOUT_MUTANT
from tests.mutants.checkers import Checker, Seeds, Told
from tests.mutants.mutant import Hunt, Mutant

DOCUMENT = Path(__file__).parents[1] / "docs" / "mutants.md"
SEEDS = 8
TELLINGS = 2
TOLD = f"""The last column tells what the simulator's stories and
seeds find without being told where to look; "-" where a defect costs money, patience or an explanation but
breaks none of the simulator's invariants in {TELLINGS} tellings of each story and {SEEDS} worlds. """
HEADER = ("mutant", "what it puts back", "from", "promise found broken", "by", "steps", "s")
SEARCHED = ("the simulator alone",)


@dataclass(frozen=True, slots=True)
class Kill:
    """One row of the table; `simulated` is what a search found, "-" when nothing."""

    mutant: Mutant
    hunt: Hunt
    simulated: str | None = None

    @property
    def is_killed(self) -> bool:
        """Its own promise was found broken."""
        return self.hunt.finding is not None and self.hunt.finding.promise == self.mutant.breaks

    def cells(self) -> list[str]:
        """Return the row as text."""
        mutant, finding = self.mutant, self.hunt.finding
        cells = [
            mutant.name,
            mutant.story,
            mutant.source,
            _readable(finding.promise) if finding else "**survived**",
            mutant.checker.name,
            f"{finding.steps:,}" if finding and finding.steps else "-",
            f"{self.hunt.seconds:.2f}",
        ]
        return [*cells, self.simulated] if self.simulated else cells


def simulator_checkers() -> list[Checker]:
    """Return everything of the simulator that is tried, cheapest first."""
    told = [each for each in vars(stories).values() if isinstance(each, Story)]
    return [*(Told(story, times=TELLINGS) for story in told), Seeds(SEEDS)]


def hunted(mutant: Mutant, *, search: bool) -> Kill:
    """Hunt a mutant with its own checker and, if asked, with everything that the simulator has."""
    kill = Kill(mutant, mutant.hunted())
    if not search:
        return kill
    for checker in simulator_checkers():
        try:
            found = mutant.hunted(checker)
        except Exception as error:  # noqa: BLE001 -- a defect may end another checker in any way
            print(f"    {checker.name} ended with {error!r}"[:160], file=sys.stderr)
            continue
        if found.finding is not None:
            told = f"{found.finding.promise} ({checker.name.removeprefix('simulator: ')})"
            return Kill(mutant, kill.hunt, told)
    return Kill(mutant, kill.hunt, "-")


def table(kills: Sequence[Kill], *, search: bool) -> str:
    """Return the kill table as Markdown."""
    header = [*HEADER, *(SEARCHED if search else ())]
    rows = [header, ["---"] * len(header), *(kill.cells() for kill in kills)]
    return "\n".join("| " + " | ".join(each.replace("|", "\\|") for each in row) + " |" for row in rows)


def document(kills: Sequence[Kill], *, search: bool) -> str:
    """Return docs/mutants.md."""
    killed = sum(kill.is_killed for kill in kills)
    seconds = sum(kill.hunt.seconds for kill in kills)
    without = "\n".join(f"* **{row}**: {reason}" for row, reason in WITHOUT_MUTANT.items())
    return f"""# Mutants

Each row is a defect that somebody really had: one of the nine incidents, a published bug of a rival, or a
rule of this design broken in the way it usually is. It is put back into the product at test time as the
smallest patch that brings it about (`tests/mutants/catalogue`), and a checker that CI also runs on the
product as it is has to find the named promise broken. {TOLD if search else ""}Written by
`python -m benchmarks.mutants{" --search" if search else ""} --write`.

**{killed} of {len(kills)} killed**, {seconds:.0f} s on one core.

{table(kills, search=search)}

## Rows of the field notes without a mutant

{without}
"""


def _readable(promise: str) -> str:
    return promise.removeprefix("test_").replace("_", " ")


def main() -> int:
    """Print the kill table; the exit status is the number of survivors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="these mutants only")
    parser.add_argument("--search", action="store_true", help="let the whole simulator hunt each of them too")
    parser.add_argument("--write", action="store_true", help="write docs/mutants.md")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    kills = []
    began_at = perf_counter()
    for mutant in MUTANTS:
        if not given.names or mutant.name in given.names:
            kills.append(hunted(mutant, search=given.search))
            print(
                f"{'killed  ' if kills[-1].is_killed else 'SURVIVED'} {' | '.join(kills[-1].cells())}",
                flush=True,
            )
    survivors = sum(not kill.is_killed for kill in kills)
    print(f"{len(kills) - survivors} of {len(kills)} killed, {perf_counter() - began_at:.0f} s")
    if given.write:
        DOCUMENT.write_text(document(kills, search=given.search), encoding="utf-8")
    return survivors


if __name__ == "__main__":
    sys.exit(main())
