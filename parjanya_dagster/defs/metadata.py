"""Metadata worth looking at: tables that keep their numbers, and links to images instead of image bytes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import dagster as dg

_NOTHING: Final = "none"

Plain = str | int | float


def table(rows: Iterable[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    """Return a table; values that are neither number nor text are written as text. Without rows: "none"."""
    records = [dg.TableRecord({name: _plain(value) for name, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records) if records else dg.MetadataValue.text(_NOTHING)


def counted(counts: Mapping[str, int], *, of: str, unit: str = "images") -> dg.MetadataValue[Any]:
    """Return counts as a table, the largest first.

    Args:
        of: heading of the names.
        unit: heading of the numbers.
    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return table({of: name, unit: count} for name, count in ordered)


def image_links(image_ids: Iterable[str], *, web_url: str) -> str:
    """Return Markdown links to previews in the web app, or "none"; it shows them to whoever is signed in."""
    links = [f"[…{image_id[-6:]}]({web_url}/previews/{image_id})" for image_id in image_ids]
    return " ".join(links) or _NOTHING


def _plain(value: object) -> Plain:
    if isinstance(value, int | float):
        return value
    # a StrEnum is text to Python and unknown to Dagster's serializer
    return "" if value is None else str(value)
