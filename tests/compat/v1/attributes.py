"""Plain Python values as DynamoDB attribute values, and back.

boto3's own serializer refuses floats, because a Decimal cannot hold every float in 38 digits of any
range. A float's shortest exact text (`repr`) always fits, so it is sent as that text and comes back as
the same float.

What does not survive: a tuple comes back as a list, and a whole float such as 1.0 may come back as the int 1.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

_SMALLEST: Final = 1e-130
"""DynamoDB's smallest positive number; anything nearer to zero is stored as zero."""

_LARGEST: Final = 9.99e125

Item = dict[str, "AttributeValueTypeDef"]


def attribute_of(value: object, *, name: str) -> "AttributeValueTypeDef":  # noqa: PLR0911 - one per type
    """Return a plain value (None, bool, number, text, bytes, mapping or sequence) as an attribute value.

    Raises:
        ValueError: a number that is not finite or out of DynamoDB's range; the message names where it is.
        TypeError: a value of any other type.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": str(value)}
        case int() | float():
            return {"N": _number_text(value, name)}
        case bytes():
            return {"B": value}
        case Mapping():
            return {"M": {str(key): attribute_of(each, name=f"{name}.{key}") for key, each in value.items()}}
        case Sequence():
            return {"L": [attribute_of(each, name=f"{name}[{at}]") for at, each in enumerate(value)]}
        case _:
            raise TypeError(f"{name}: a {type(value).__name__} cannot be stored")


def value_of(attribute: "AttributeValueTypeDef") -> Any:  # noqa: ANN401, PLR0911 - one per type, whatever it was
    """Return the plain value of an attribute value.

    Raises:
        TypeError: an attribute type that `attribute_of` never writes.
    """
    match attribute:
        case {"S": text}:
            return text
        case {"N": text}:
            return int(text) if text.lstrip("-").isdigit() else float(text)
        case {"B": data}:
            return bytes(data)
        case {"BOOL": flag}:
            return flag
        case {"NULL": _}:
            return None
        case {"M": members}:
            return {key: value_of(each) for key, each in members.items()}
        case {"L": members}:
            return [value_of(each) for each in members]
        case _:
            raise TypeError(f"unknown attribute type {sorted(attribute)}")


def _number_text(value: float, name: str) -> str:
    if isinstance(value, int):
        return str(int(value))
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise ValueError(f"{name}: {value!r} is not a number that can be stored")
    return repr(float(value)) if abs(value) >= _SMALLEST else "0"
