"""Tables, counts and times as a person reads them on a terminal."""

from collections.abc import Mapping, Sequence
from datetime import datetime
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
_QUESTION: Final = 5
"""Letters of a question's name that head its column."""
_ROOM_FOR_SCORES: Final = 110
_FILE_NAME: Final = 16


def console_for_tables() -> Console:
    """Return a console; where the output is no terminal, tables are wide enough not to be cut."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)


def words_of_counts(counts: Mapping[str, int]) -> str:
    """Return `12 enriched, 3 vlm_failed`: counts with what they count, in their order."""
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def words_of_time(at: datetime) -> str:
    """Return a time in UTC to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def table_of(views: Sequence[ImageView], *, width: int) -> Table:
    """Return one row per image: photo, verdict, reasons, class, scores (0..1), seconds.

    Args:
        width: columns of the terminal; where they are few, scores are left out.
    """
    numbers = [dict(view.chances + view.scores) for view in views]
    has_room = width >= _ROOM_FOR_SCORES
    questions = list(dict.fromkeys(name for each in numbers for name in each)) if has_room else []
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column("photo", no_wrap=True, min_width=_FILE_NAME)
    table.add_column("verdict", no_wrap=True)
    table.add_column("reasons")
    table.add_column("class", no_wrap=True)
    for name in questions:
        table.add_column(name.partition("_")[0][:_QUESTION], justify="right", no_wrap=True)
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
