"""Tables of results: rows of one shape, as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of results: the first row names the columns; what a row lacks is shown as a dash."""

    title: str
    rows: Sequence[Mapping[str, Any]]

    def markdown(self, *, level: int = 3) -> str:
        """Return it as Markdown under a heading of this level, numbers to the right."""
        columns = list(self.rows[0])
        marks = ("|---:" if self._is_numeric(column) else "|---" for column in columns)
        lines = [f"| {' | '.join(columns)} |", f"{''.join(marks)}|"]
        lines += [f"| {' | '.join(_text(row.get(column)) for column in columns)} |" for row in self.rows]
        return "\n".join([f"{'#' * level} {self.title}", "", *lines, ""])

    def _is_numeric(self, column: str) -> bool:
        cells = [row[column] for row in self.rows if row.get(column) is not None]
        return bool(cells) and all(isinstance(cell, int | float) for cell in cells)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits are enough
    return f"{value:,}" if isinstance(value, int) else str(value)
