"""Tables of images for a terminal."""

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from parjanya_dagster.web.views import ImageView, Show

_COLOURS: Final = {
    Show.ACCEPTED: "green",
    Show.REVIEW: "yellow",
    Show.REJECTED: "red",
    Show.TECHNICAL: "magenta",
    Show.FAILED: "bold red",
    Show.PENDING: "cyan",
}
_WORDS: Final = {
    Show.ACCEPTED: "accept",
    Show.REVIEW: "review",
    Show.REJECTED: "reject",
    Show.TECHNICAL: "technical reject",
    Show.FAILED: "failed",
    Show.PENDING: "in progress",
}
_WIDE: Final = 160


def console_for_tables() -> Console:
    """Return a console; where the output is no terminal, tables are wide enough not to be cut."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)


def table_of(views: Iterable[ImageView]) -> Table:
    """Return one row per image: photo, verdict, reasons, scores, seconds."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("photo", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("reasons")
    table.add_column("scores")
    table.add_column("seconds", justify="right")
    for view in views:
        labels = [f"{label} {value:.2f}" for _, label, value in view.labels]
        numbers = [f"{name} {value:.2f}" for name, value in view.chances + view.scores]
        table.add_row(
            escape(view.file_name),
            f"[{_COLOURS[view.show]}]{_WORDS[view.show]}[/]",
            escape(", ".join(view.reasons) or view.note),
            escape("  ".join((*labels, *numbers)).replace("_", "-")),
            "" if view.took_s is None else f"{view.took_s:.1f}",
        )
    return table
