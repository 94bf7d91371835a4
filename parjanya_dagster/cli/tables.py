"""Tables of images for a terminal."""

from collections.abc import Sequence
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
_WIDE: Final = 180
_NARROW: Final = 5


def console_for_tables() -> Console:
    """Return a console; where the output is no terminal, tables are wide enough not to be cut."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)


def table_of(views: Sequence[ImageView]) -> Table:
    """Return one row per image: photo, verdict, reasons, class, scores (0..1), seconds."""
    numbers = [dict(view.chances + view.scores) for view in views]
    questions = list(dict.fromkeys(name for each in numbers for name in each))
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column("photo", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("reasons")
    table.add_column("class", no_wrap=True)
    for name in questions:
        table.add_column(name.partition("_")[0][:_NARROW], justify="right", no_wrap=True)
    table.add_column("seconds", justify="right")
    for view, each in zip(views, numbers, strict=True):
        table.add_row(
            escape(view.file_name),
            f"[{_COLOURS[view.show]}]{_WORDS[view.show]}[/]",
            escape(", ".join(view.reasons) or view.note),
            escape(", ".join(label for _, label, _ in view.labels)),
            *(f"{each[name]:.2f}" if name in each else "" for name in questions),
            "" if view.took_s is None else f"{view.took_s:.1f}",
        )
    return table
