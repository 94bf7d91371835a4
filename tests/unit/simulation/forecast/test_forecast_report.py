"""The report: assumptions that can be changed and are shown, tables, document and figure."""

import io
import json
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.simulation.forecast.assumptions import INSTANCE_TYPES, Assumptions, Kind
from parjanya_dagster.simulation.forecast.report import (
    as_document,
    as_table,
    run_forecast,
    scenario,
    write_plot,
)


def test_scenario_when_values_are_given_changes_those_and_no_others() -> None:
    """Whole numbers stay whole, the last of one name wins, and what was changed says so."""
    assumed = scenario(["idle_s=10", "max_instances = 8", "idle_s=2.5", "night_images=10,000"])
    changed = {fact.name for fact in assumed.facts() if fact.changed}

    assert (assumed.idle_s, assumed.max_instances, assumed.night_images) == (2.5, 8, 10_000)
    assert isinstance(assumed.max_instances, int)
    assert changed == {"idle_s", "max_instances", "night_images"}


def test_scenario_when_a_name_is_unknown_lists_the_known_ones() -> None:
    """A misspelt name is refused with all that would have been right."""
    with pytest.raises(InvalidRequestError) as refused:
        scenario(["idle=10"])

    assert all(field.name in str(refused.value) for field in fields(Assumptions))


@pytest.mark.parametrize(
    "text",
    [
        "idle_s",
        "idle_s=",
        "idle_s=soon",
        "max_instances=2.5",
        "max_instances=0",
        "idle_s=nan",
        "idle_s=inf",
        "idle_s=-1",
    ],
)
def test_scenario_when_a_value_makes_no_sense_refuses_it_by_name(text: str) -> None:
    """The message names the assumption that cannot be."""
    with pytest.raises(InvalidRequestError, match=text.partition("=")[0]):
        scenario([text])


def test_assumptions_each_have_a_unit_a_source_and_say_how_well_they_are_known() -> None:
    """No bare number: that is what makes the forecast honest."""
    facts = Assumptions().facts()

    assert all(fact.unit and fact.source and isinstance(fact.kind, Kind) for fact in facts)
    assert not any(fact.changed for fact in facts)
    assert all("changeable" in fact.source for fact in facts if "usd_per" in fact.name)


def test_forecast_for_an_unknown_instance_type_is_refused_with_the_known_ones() -> None:
    """Nothing is guessed about a type nobody assumed anything of."""
    with pytest.raises(InvalidRequestError, match=", ".join(INSTANCE_TYPES)):
        run_forecast(Assumptions(), instance_types=["t3.micro"])


def test_forecast_under_a_price_cap_that_pays_for_nothing_is_refused() -> None:
    """No plan is made under which no image would ever be scored."""
    with pytest.raises(InvalidRequestError, match=r"price_cap_usd_per_h is .* pays for no g5\.xlarge"):
        run_forecast(scenario(["price_cap_usd_per_h=1"]), instance_types=["g5.xlarge"])


def test_document_when_dumped_has_every_system_and_every_assumption() -> None:
    """Scripts find the numbers by name, the original first, larger bursts never sooner done by it."""
    document = json.loads(json.dumps(as_document(run_forecast(scenario(["idle_s=7"])))))
    nightly = [case["systems"][0]["wall_clock_s"] for case in document["bursts"]]

    assert nightly == [1800 + 13 * size for size in (1_000, 10_000, 100_000, 1_000_000)]
    assert [case["name"] for case in document["nights"]] == ["through the evening", "all at once"]
    assert len(document["nights"][0]["systems"]) == 2 + 2 * len(INSTANCE_TYPES)
    assert {"name": "idle_s", "value": 7.0, "changed": True}.items() <= next(
        fact.items() for fact in document["assumptions"] if fact["name"] == "idle_s"
    )
    assert all(small < large for small, large in pairwise(nightly))


def test_table_when_printed_shows_systems_verdicts_and_every_assumption() -> None:
    """What is printed rests on nothing that is not printed, and what was changed stands out."""
    console = Console(file=io.StringIO(), width=200)
    console.print(as_table(run_forecast(scenario(["max_instances=2"]))))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()

    assert all(field.name in printed for field in fields(Assumptions))
    assert all(f"{each}, cold" in printed for each in INSTANCE_TYPES)
    assert "nightly endpoint, kept on" in printed
    assert "150 d 11 h" in printed
    assert "instead of: the group's maximum" in printed
    assert "gives way to the maximum of 2" in " ".join(printed.split())


def test_table_without_a_pool_shows_each_fleet_once() -> None:
    """A pool of none is the cold fleet, not another system."""
    forecast = run_forecast(scenario(["warm_pool=0"]), instance_types=["g6.xlarge"])

    assert [each.system for each in forecast.bursts[0].estimates] == ["nightly endpoint", "g6.xlarge, cold"]


def test_plot_when_written_is_a_wide_figure_with_both_systems_in_it(tmp_path: Path) -> None:
    """The original's colour and each of ours are drawn, at twice the width a page shows."""
    path = tmp_path / "forecast.png"

    write_plot(run_forecast(Assumptions(), instance_types=["g6.xlarge", "g6e.xlarge"]), path)

    with Image.open(path) as figure:
        assert figure.size == (2400, 1320)
        colours = {colour for _, colour in figure.convert("RGB").getcolors(2**24) or ()}
    assert {(0xC2, 0x41, 0x0C), (0x08, 0x91, 0xB2), (0x1D, 0x4E, 0xD8)} <= colours


def test_plot_of_the_same_forecast_is_the_same_file(tmp_path: Path) -> None:
    """A figure in the repository changes only when the numbers do."""
    forecast = run_forecast(Assumptions(), instance_types=["g6.xlarge"])
    first, second = tmp_path / "first.png", tmp_path / "second.png"

    write_plot(forecast, first)
    write_plot(forecast, second)

    assert first.read_bytes() == second.read_bytes()
