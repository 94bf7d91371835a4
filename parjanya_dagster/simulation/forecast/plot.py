"""The forecast's figure: how long a burst takes and what it costs, from a thousand images to a million."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from parjanya_dagster.simulation.forecast.arrivals import all_at_once
from parjanya_dagster.simulation.forecast.assumptions import Assumptions
from parjanya_dagster.simulation.forecast.estimate import Estimate
from parjanya_dagster.simulation.forecast.ours import run_ours
from parjanya_dagster.simulation.forecast.sequential import run_sequential
from parjanya_dagster.simulation.forecast.tables import duration, money

_INK: Final = "#1f2933"
_FAINT: Final = "#616e7c"
_GRID: Final = "#e4e7eb"
_ORIGINAL: Final = "#c2410c"
_OURS: Final = ("#0891b2", "#1d4ed8", "#7c3aed", "#15803d")
_COLD_DASHES: Final = (0, (2, 1.6))
_SIZES: Final = tuple(round(10 ** (3 + step / 32)) for step in range(97))
"""Bursts from a thousand to a million, so close that a curve shows each added instance."""
_IMAGES: Final[Mapping[float, str]] = {
    1_000: "1,000",
    10_000: "10,000",
    100_000: "100,000",
    1_000_000: "1 million",
}
_DURATIONS: Final[Mapping[float, str]] = {
    6: "6 s",
    60: "1 min",
    600: "10 min",
    3_600: "1 h",
    36_000: "10 h",
    345_600: "4 days",
    2_592_000: "30 days",
    15_552_000: "180 days",
    94_608_000: "3 years",
}
_DOLLARS: Final[Mapping[float, str]] = {
    0.01: "1 ¢",
    0.1: "10 ¢",
    1: "$1",
    10: "$10",
    100: "$100",
    1_000: "$1,000",
    10_000: "$10,000",
    100_000: "$100,000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """One system over all sizes, started from the pool (`warm`) and without it (`cold`)."""

    name: str
    colour: str
    warm: tuple[Estimate, ...]
    cold: tuple[Estimate, ...]


def draw(assumed: Assumptions, instance_types: Sequence[str], path: Path) -> None:
    """Write the figure, 2400 pixels wide where the suffix is of a bitmap.

    Raises:
        InvalidRequestError: nothing is assumed about an instance type.
    """
    curves = [
        _our_curve(each, assumed, colour=_OURS[index % len(_OURS)])
        for index, each in enumerate(instance_types)
    ]
    with rc_context(
        {
            "font.family": "DejaVu Sans",  # comes with Matplotlib, so every machine draws the same figure
            "font.size": 11,
            "text.color": _INK,
            "text.parse_math": False,  # two dollar signs are two amounts, not a formula
            "axes.labelcolor": _FAINT,
            "xtick.color": _FAINT,
            "ytick.color": _FAINT,
        }
    ):
        figure = Figure(figsize=(12, 6.6), facecolor="white")
        FigureCanvasAgg(figure)
        clock, cost = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.075, right=0.955, top=0.74, bottom=0.135, wspace=0.2)
        _panel(clock, "Wall clock until the last score", _DURATIONS)
        _panel(cost, "Cost of the burst, idle time included", _DOLLARS)
        _original(clock, assumed, lambda estimate: estimate.wall_clock_s)
        _original(cost, assumed, lambda estimate: estimate.cost_usd)
        _ours(clock, curves, lambda estimate: estimate.wall_clock_s)
        _ours(cost, curves, lambda estimate: estimate.cost_usd)
        _mark_deadline(clock, assumed)
        _headline(figure, assumed, curves)
        figure.savefig(path, dpi=200, metadata={"Software": None} if path.suffix == ".png" else None)


def _our_curve(instance_type: str, assumed: Assumptions, *, colour: str) -> _Curve:
    warm, cold = (
        tuple(run_ours(all_at_once(size), instance_type, assumed, warm_pool=pool) for size in _SIZES)
        for pool in (assumed.warm_pool, 0)
    )
    return _Curve(name=instance_type, colour=colour, warm=warm, cold=cold)


def _original_at(size: int, assumed: Assumptions) -> Estimate:
    return run_sequential(all_at_once(size), assumed, starts_s=0.0)


def _panel(axes: Axes, title: str, marks: Mapping[float, str]) -> None:
    """Prepare one log-log panel with marks in words."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(_SIZES[0], _SIZES[-1])
    axes.margins(y=0.06)
    for axis, labels in ((axes.xaxis, _IMAGES), (axes.yaxis, marks)):
        axis.set_major_locator(FixedLocator(list(labels)))
        axis.set_ticklabels(list(labels.values()))
        axis.set_minor_locator(NullLocator())
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6)
    axes.spines[:].set_visible(False)
    axes.set_title(title, loc="left", fontsize=12.5, fontweight="bold", pad=10)
    axes.set_xlabel("images in one burst", labelpad=8)


def _original(axes: Axes, assumed: Assumptions, number: Callable[[Estimate], float]) -> None:
    """Draw the original, with its name along the line."""
    line = [number(_original_at(size, assumed)) for size in _SIZES]
    axes.plot(_SIZES, line, color=_ORIGINAL, linewidth=2.6, solid_capstyle="round")
    middle = len(_SIZES) * 6 // 10
    axes.annotate(
        "original: nightly endpoint",
        (_SIZES[middle], line[middle]),
        xytext=(-12, 6),
        textcoords="offset points",
        ha="right",
        color=_ORIGINAL,
        fontweight="bold",
    )


def _ours(axes: Axes, curves: Sequence[_Curve], number: Callable[[Estimate], float]) -> None:
    for curve in curves:
        warm, cold = ([number(each) for each in side] for side in (curve.warm, curve.cold))
        axes.plot(_SIZES, cold, color=curve.colour, linewidth=1.3, linestyle=_COLD_DASHES)
        axes.plot(_SIZES, warm, color=curve.colour, linewidth=2.2, solid_capstyle="round")


def _mark_deadline(axes: Axes, assumed: Assumptions) -> None:
    axes.axhline(assumed.deadline_s, color=_INK, linewidth=1, linestyle=(0, (6, 3)), zorder=1)
    axes.annotate(
        f"our deadline, {duration(assumed.deadline_s)}",
        (_SIZES[0], assumed.deadline_s),
        xytext=(6, 5),
        textcoords="offset points",
        color=_INK,
        fontsize=10,
    )


def _headline(figure: Figure, assumed: Assumptions, curves: Sequence[_Curve]) -> None:
    """Say in words what the largest burst shows, and name the curves."""
    original = _original_at(_SIZES[-1], assumed)
    best = min((curve.warm[-1] for curve in curves), key=lambda each: (not each.kept, each.cost_usd))
    figure.text(0.025, 0.945, "A million images in one burst", fontsize=18, fontweight="bold")
    figure.text(
        0.025,
        0.893,
        f"One after the other: {duration(original.wall_clock_s)} and {money(original.cost_usd)}. "
        f"On {best.instances} x {best.system.partition(',')[0]}: "
        f"{duration(best.wall_clock_s)} and {money(best.cost_usd)}.",
        fontsize=13,
        color=_FAINT,
    )
    names = [curve.name for curve in curves]
    handles = [figure.axes[0].plot([], [], color=curve.colour, linewidth=2.6)[0] for curve in curves]
    starts = ((f"pool of {assumed.warm_pool}", "-"), ("cold", _COLD_DASHES)) if assumed.warm_pool else ()
    for label, style in starts:
        handles.append(figure.axes[0].plot([], [], color=_FAINT, linewidth=1.8, linestyle=style)[0])
        names.append(label)
    figure.legend(
        handles,
        names,
        loc="upper left",
        bbox_to_anchor=(0.016, 0.88),
        ncols=len(names),
        frameon=False,
        handlelength=1.8,
        columnspacing=1.6,
    )
    teeth = "Each tooth of a curve: one more instance. Above the deadline: the group's maximum of "
    known = "A forecast, not a measurement: roofline throughput, list prices."
    figure.text(0.025, 0.02, f"{teeth}{assumed.max_instances}, or the price cap.", fontsize=9.5, color=_FAINT)
    figure.text(0.975, 0.02, known, ha="right", fontsize=9.5, color=_FAINT)
