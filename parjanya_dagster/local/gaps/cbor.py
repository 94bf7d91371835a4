"""CloudWatch: its clients speak CBOR, which the local process knows only where `cbor2` is installed.

It is no dependency of that process, so alarms and metrics would be lost without a word. botocore, which is
one, reads CBOR; writing what CloudWatch answers takes the few lines here.
"""

import importlib.util
import io
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from botocore.parsers import BaseCBORParser

NAME: Final = "cbor2"

_UNSIGNED, _NEGATIVE, _TEXT, _ARRAY, _MAP, _TAG = 0, 1, 3, 4, 5, 6
_SIMPLE: Final = {False: b"\xf4", True: b"\xf5", None: b"\xf6"}
_LENGTHS: Final = ((24, 1, "B"), (25, 2, "H"), (26, 4, "I"), (27, 8, "Q"))


@dataclass(frozen=True, slots=True)
class CBORTag:
    """A tagged value; CloudWatch's timestamps are seconds since the epoch under tag 1."""

    tag: int
    value: object


class Cbor:
    """Takes the place of the module `cbor2`, unless it is there."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self._is_there = importlib.util.find_spec(NAME) is not None
        del modules  # its users import it by name, when they need it

    def install(self) -> None:
        """Register the stand-in."""
        if not self._is_there:
            module = ModuleType(NAME, __doc__)
            module.__dict__.update(loads=loads, dumps=dumps, CBORTag=CBORTag)
            sys.modules[NAME] = module


def loads(body: bytes) -> Any:  # noqa: ANN401 - whatever the bytes say
    """Return the value of a CBOR document."""
    return BaseCBORParser().parse_data_item(io.BufferedReader(io.BytesIO(body)))


def dumps(value: object) -> bytes:
    """Return the CBOR document of a value made of dicts, lists, text, numbers, tags, booleans and None.

    Raises:
        TypeError: some other value is in it.
    """
    match value:
        case bool() | None:
            return _SIMPLE[value]
        case int():
            return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case str():
            return _head(_TEXT, len(value.encode())) + value.encode()
        case _:
            return _dumps_composed(value)


def _dumps_composed(value: object) -> bytes:
    match value:
        case list() | tuple():
            return _head(_ARRAY, len(value)) + b"".join(map(dumps, value))
        case Mapping():
            pairs = b"".join(dumps(key) + dumps(item) for key, item in value.items())
            return _head(_MAP, len(value)) + pairs
        case CBORTag():
            return _head(_TAG, value.tag) + dumps(value.value)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a CBOR document here")


def _head(major: int, number: int) -> bytes:
    """Return the initial byte of a data item, with its number in as few bytes as CBOR has for it."""
    if number < _LENGTHS[0][0]:
        return bytes([major << 5 | number])
    for code, size, form in _LENGTHS:
        if number < 1 << (8 * size):
            return bytes([major << 5 | code]) + struct.pack(f">{form}", number)
    raise TypeError(f"{number} is too large for a CBOR integer")
