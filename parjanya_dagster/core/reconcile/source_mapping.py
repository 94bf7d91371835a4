"""The mapping file of an adoption: how the records of another system read, as TOML.

    [columns]                 # what their columns are called; `key` is needed for a table
    key = "s3_path"
    uploader = "owner"
    [statuses]                # what to do with each value of the column `status`; others are counted and left
    done = "adopt"
    deleted = "skip"
    [priorities]              # their value → high, normal or low
    rush = "high"
    [defaults]
    uploader = "archive"
    [select]
    suffixes = [".jpg", ".png"]
    since = 2019-01-01

A file with faults is refused with all of them at once, each with its line.
"""

import re
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from parjanya_dagster.core.errors import InvalidRequestError

IMAGE_SUFFIXES: Final = tuple(
    f".{suffix}"
    for suffix in (
        *("avif", "bmp", "gif", "heic", "heif", "hif", "jfif", "jp2", "jpe", "jpeg", "jpg", "jxl", "mpo"),
        *("png", "tif", "tiff", "webp"),
        *("arw", "cr2", "cr3", "crw", "dng", "nef", "orf", "raf", "rw2", "x3f"),
    )
)
"""What is taken for an image where the mapping says nothing: by suffix, as for uploads of a folder."""

_SECTION: Final = re.compile(r"^\s*\[([^\]]+)\]")


def _moment(value: object) -> object:
    """Return a TOML date as its first moment, and a time without zone as UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


Moment = Annotated[datetime, BeforeValidator(_moment)]
Priority = Literal["high", "normal", "low"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(_Part):
    """Their names for what we ask."""

    key: str | None = None
    uploader: str | None = None
    time: str | None = None
    status: str | None = None
    priority: str | None = None
    file_name: str | None = None


class Defaults(_Part):
    """What holds where no column says otherwise."""

    uploader: str | None = None
    priority: Priority = "normal"


class Select(_Part):
    """Which objects; times are the column `time`'s, or else the object's own."""

    suffixes: tuple[str, ...] = IMAGE_SUFFIXES
    since: Moment | None = None
    until: Moment | None = None
    key_prefix: str = ""
    """What their keys lack: it is put before each."""


class SourceMapping(_Part):
    """A whole mapping file; every part has defaults."""

    columns: Columns = Field(default_factory=Columns)
    statuses: dict[str, Literal["adopt", "skip"]] = Field(default_factory=dict)
    priorities: dict[str, Priority] = Field(default_factory=dict)
    defaults: Defaults = Field(default_factory=Defaults)
    select: Select = Field(default_factory=Select)


def mapping_from(text: str) -> SourceMapping:
    """Return the mapping in a file.

    Raises:
        InvalidRequestError: not TOML, or not a mapping; the message lists every fault.
    """
    try:
        mapping = SourceMapping(**tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequestError(f"the mapping is not TOML: {error}") from error
    except ValidationError as error:
        faults = [f"{_place(text, fault['loc'])}: {_said(fault)}" for fault in error.errors()]
        raise InvalidRequestError("the mapping has faults:\n  " + "\n  ".join(faults)) from error
    if mapping.statuses and mapping.columns.status is None:
        raise InvalidRequestError(
            "the mapping has [statuses], and no column `status` that they are values of"
        )
    return mapping


def _said(fault: Any) -> str:  # noqa: ANN401 - pydantic's own mapping
    return "no such setting" if fault["type"] == "extra_forbidden" else str(fault["msg"])


def _place(text: str, location: Sequence[int | str]) -> str:
    names = [str(name) for name in location]
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        found = _SECTION.match(line)
        if found:
            section = found.group(1).strip()
        is_key = (
            section == names[0] and len(names) > 1 and re.match(rf'\s*"?{re.escape(names[1])}"?\s*=', line)
        )
        if is_key or (len(names) == 1 and section == names[0]):
            return f"line {number}, {'.'.join(names)}"
    return ".".join(names)
