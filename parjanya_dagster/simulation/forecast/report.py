"""The forecast: one night and bursts up to a million images, the original system beside ours."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from rich.console import Group

from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.simulation.forecast.arrivals import Arrival, all_at_once, evening
from parjanya_dagster.simulation.forecast.assumptions import INSTANCE_TYPES, Assumptions
from parjanya_dagster.simulation.forecast.estimate import Estimate
from parjanya_dagster.simulation.forecast.ours import run_ours
from parjanya_dagster.simulation.forecast.sequential import run_sequential
from parjanya_dagster.simulation.forecast.tables import (
    assumption_table,
    burst_table,
    night_table,
    plan_table,
)

BURSTS: Final = (1_000, 10_000, 100_000, 1_000_000)
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One trace and what every system does with it, the original first."""

    name: str
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Everything a forecast says.

    Args:
        nights: one night's images, through the evening and all at once.
        bursts: by size.
    """

    assumptions: Assumptions
    instance_types: tuple[str, ...]
    nights: tuple[Case, ...]
    bursts: tuple[Case, ...]


def scenario(assume: Sequence[str]) -> Assumptions:
    """Return the assumptions with `NAME=VALUE` texts applied, the last of one name winning.

    Raises:
        InvalidRequestError: a text is not of that form, the name is unknown, or the value makes no sense.
    """
    types = {each.name: each.type for each in fields(Assumptions)}
    changed: dict[str, Any] = {}
    for text in assume:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in types:
            raise InvalidRequestError(f"--assume takes NAME=VALUE, not {text!r}; names: {', '.join(types)}")
        try:
            changed[name] = int(value.replace(",", "")) if types[name] is int else float(value)
        except ValueError:
            kind = "whole number" if types[name] is int else "number"
            raise InvalidRequestError(f"{name} is a {kind}, not {value!r}") from None
    return Assumptions(**changed)


def run_forecast(
    assumptions: Assumptions,
    *,
    instance_types: Sequence[str] = INSTANCE_TYPES,
    bursts: Sequence[int] = BURSTS,
) -> Forecast:
    """Return the forecast; pure, the same for the same arguments.

    Args:
        instance_types: of INSTANCE_TYPES, our fleet once with each, cold and with the warm pool.
        bursts: images that arrive at once, each ≥ 1.

    Raises:
        InvalidRequestError: nothing is assumed about an instance type, or the price cap pays for none of it.
    """
    assumed = assumptions
    trace = evening(
        assumed.night_images,
        photographers=assumed.photographers,
        length_s=assumed.evening_h * _HOUR_S,
        upload_s_per_image=assumed.upload_s_per_image,
    )
    nightfall_s = max(trace[-1].at_s, assumed.evening_h * _HOUR_S)
    at_once = all_at_once(assumed.night_images)
    return Forecast(
        assumptions=assumed,
        instance_types=tuple(instance_types),
        nights=(
            _case(
                "through the evening", trace, assumed, instance_types, nightfall_s=nightfall_s, is_night=True
            ),
            _case("all at once", at_once, assumed, instance_types, is_night=True),
        ),
        bursts=tuple(_case(f"{size:,}", all_at_once(size), assumed, instance_types) for size in bursts),
    )


def as_table(forecast: Forecast) -> Group:
    """Return the forecast for a terminal: the night, the bursts, and what both rest on."""
    return Group(
        *(
            night_table(
                f"{forecast.assumptions.night_images:,} images of one night, {case.name}", case.estimates
            )
            for case in forecast.nights
        ),
        burst_table([(case.name, case.estimates) for case in forecast.bursts]),
        *(
            plan_table(f"The capacity plan of {case.name} images, in its own words", case.estimates)
            for case in forecast.bursts[-1:]
        ),
        assumption_table(forecast.assumptions.facts()),
    )


def as_document(forecast: Forecast) -> dict[str, Any]:
    """Return the forecast for scripts; units are in the names."""
    return {
        "instance_types": list(forecast.instance_types),
        "nights": [_case_document(case) for case in forecast.nights],
        "bursts": [_case_document(case) for case in forecast.bursts],
        "assumptions": [asdict(fact) for fact in forecast.assumptions.facts()],
    }


def write_plot(forecast: Forecast, path: Path) -> None:
    """Write wall clock and cost against burst size as an image; the suffix says which format."""
    from parjanya_dagster.simulation.forecast.plot import draw  # noqa: PLC0415 - Matplotlib loads for a second; tables need not wait for it

    draw(forecast.assumptions, forecast.instance_types, path)


def _case(
    name: str,
    trace: Sequence[Arrival],
    assumed: Assumptions,
    instance_types: Sequence[str],
    *,
    nightfall_s: float = 0.0,
    is_night: bool = False,
) -> Case:
    original = [run_sequential(trace, assumed, starts_s=nightfall_s)]
    if is_night:
        original.append(run_sequential(trace, assumed, starts_s=nightfall_s, all_night=True))
    ours = [
        run_ours(trace, each, assumed, warm_pool=pool)
        for each in instance_types
        for pool in dict.fromkeys((0, assumed.warm_pool))
    ]
    return Case(name=name, estimates=(*original, *ours))


def _case_document(case: Case) -> dict[str, Any]:
    systems = [asdict(each) | {"usd_per_1000": each.usd_per_1000} for each in case.estimates]
    return {"name": case.name, "systems": systems}
