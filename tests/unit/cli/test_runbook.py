"""The runbook and the function are one thing: every finding has its section, every command exists."""

import re
from pathlib import Path

import pytest

from parjanya_dagster.core.reconcile.findings import EXPLANATIONS, PLACES, Kind
from tests.architecture.source import CHECKOUT
from tests.unit.cli.test_documented_commands import faults_in

RUNBOOK = (CHECKOUT / "docs/runbook.md").read_text(encoding="utf-8")
SPEAKING = sorted((CHECKOUT / "parjanya_dagster/core/reconcile").glob("symptoms_*.py"))
TREE = RUNBOOK.split("## Findings")[0]


def sections() -> dict[str, str]:
    """Return the text of each finding's section, by its heading."""
    return dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))


def test_runbook_has_a_section_for_every_finding_in_order_and_no_other() -> None:
    """A finding without a section leaves a person alone at night; a section without one is a rumour."""
    assert list(sections()) == [kind.value for kind in Kind]


@pytest.mark.parametrize("kind", Kind)
def test_section_says_layer_incident_what_is_seen_and_what_to_do(kind: Kind) -> None:
    """Each section begins where the finding points to."""
    text, place = sections()[kind.value], PLACES[kind]
    layer = place.layer.value.replace("_", " ").capitalize()

    assert text.startswith(f"{layer} · incident {place.incident}." if place.incident else f"{layer}.")
    assert "**You see**" in text
    assert "**Do:**" in text


@pytest.mark.parametrize("kind", Kind)
def test_decision_tree_leads_to_every_finding(kind: Kind) -> None:
    """No finding can only be reached by the function."""
    assert re.search(rf"▶ [\w, ]*\b{kind.value}\b", TREE)


def test_runbook_lists_every_explanation() -> None:
    """What is left out, and because of what, is said where a person looks for it."""
    table = [row.split("|")[1:3] for row in TREE.splitlines() if row.startswith("| ")][1:]
    listed = {
        (cause, consequence)
        for causes, consequences in table
        for cause in Kind
        for consequence in Kind
        if re.search(rf"\b{cause.value}\b", causes) and re.search(rf"\b{consequence.value}\b", consequences)
    }

    assert listed == {(each.cause, each.consequence) for each in EXPLANATIONS}


@pytest.mark.parametrize("path", SPEAKING, ids=lambda path: path.name)
def test_commands_that_findings_recommend_can_be_typed(path: Path) -> None:
    """Nobody is told at night to type what there is not."""
    told = re.sub(r'"\n\s*f?"', "", path.read_text(encoding="utf-8"))

    assert faults_in(told) == []
