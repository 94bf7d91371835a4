"""Make plots and pages of results: the last step after any benchmark, on any machine.

    python -m benchmarks.render

Draws `docs/results/NAME.png` for every `docs/results/NAME.json`, and writes the tables of each into the page
that has room for them, between `<!-- results: NAME -->` and `<!-- end of results -->`. A page may have room
for what was not measured yet.
"""

import re
from typing import Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.results import FOLDER, Results, parser, read_results

DOCS: Final = FOLDER.parent
_ROOM: Final = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
_COLOURS: Final = ("#3b6ea5", "#d98c3f", "#5b9e6f", "#a35b7d", "#8a8a8a")
_BAR_IN: Final = 0.28


def main() -> None:
    """Render everything there is."""
    parser(__doc__).parse_args()
    for path in sorted(FOLDER.glob("*.json")):
        if has_plot(results := read_results(path)):
            write_plot(results)
            print(f"drew {path.with_suffix('.png').relative_to(DOCS)}")
    for page in sorted(DOCS.glob("*.md")):
        before = page.read_text(encoding="utf-8")
        if (after := with_results(before)) != before:
            page.write_text(after, encoding="utf-8")
            print(f"wrote {page.name}")


def with_results(text: str) -> str:
    """Return a page with the tables of every result that it has room for."""
    return _ROOM.sub(lambda room: f"{room[1]}{_section(room[2])}{room[3]}", text)


def has_plot(results: Results) -> bool:
    """Whether a run came as far as the table that is drawn."""
    return results.plot.table in results.tables


def _section(name: str) -> str:
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return "Not measured yet.\n"
    results = read_results(path)
    plot = f"\n![{results.plot.value}](results/{name}.png)\n" if has_plot(results) else ""
    return f"{results.markdown()}{plot}"


def write_plot(results: Results) -> None:
    """Draw the results' bars beside their file."""
    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(layout="constrained", dpi=110)
        FigureCanvasAgg(figure)
        bars = _draw(figure.subplots(), results)
        figure.set_size_inches(7.5, 1.1 + _BAR_IN * bars)
        # no creation date and no version in the file: the same results give the same bytes
        figure.savefig(results.path.with_suffix(".png"), metadata={"Software": None})


def _draw(axes: Axes, results: Results) -> int:
    """Draw one bar per row, the first row on top; return how many there are."""
    plot = results.plot
    rows = [row for row in results.tables[plot.table] if isinstance(row.get(plot.value), int | float)]
    labels = list(dict.fromkeys(str(row[plot.label]) for row in rows))
    kinds = list(dict.fromkeys(str(row[plot.series]) if plot.series else "" for row in rows))
    height = 0.8 / len(kinds)
    for number, kind in enumerate(kinds):
        mine = [row for row in rows if not plot.series or str(row[plot.series]) == kind]
        at = [labels.index(str(row[plot.label])) - 0.4 + height * (number + 0.5) for row in mine]
        lengths = [float(row[plot.value] or 0) for row in mine]
        drawn = axes.barh(at, lengths, height * 0.9, color=_COLOURS[number % len(_COLOURS)], label=kind)
        axes.bar_label(drawn, [f"{length:,.3g}" for length in lengths], padding=3, fontsize=8)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xscale("log" if plot.is_log else "linear")
    axes.margins(x=0.12)
    axes.set_xlabel(f"{plot.value}{' (logarithmic)' if plot.is_log else ''}")
    axes.set_title(plot.table, loc="left", fontsize=10)
    if len(kinds) > 1:
        axes.legend(title=plot.series, fontsize=8, loc="best")
    return len(labels) * max(1, round(0.7 * len(kinds)))


if __name__ == "__main__":
    main()
