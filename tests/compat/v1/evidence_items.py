"""Facts of ingestion and results of attempts as items of the images table, and back: pure.

They lie in the image's own partition beside the head (`truth_items`), carry no index attributes, and are
never changed once the head names them.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Final

from tests.compat.v1.attributes import Item, attribute_of, value_of
from tests.compat.v1.identity import ImageKey
from tests.compat.v1.result import IngestFacts, Result
from tests.compat.v1.truth_items import decision_of, item_key, text_of_time

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

FACTS: Final = "facts"
RESULT: Final = "result#"


def facts_item(key: ImageKey, facts: IngestFacts) -> Item:
    """Return the item of an image's facts.

    Raises:
        ValueError: a fact is a number that is not finite.
    """
    values = {"technical": facts.technical, "exif": facts.exif, "at": text_of_time(facts.at)}
    return item_key(key, FACTS) | {name: attribute_of(value, name=name) for name, value in values.items()}


def facts_of(item: Mapping[str, "AttributeValueTypeDef"]) -> IngestFacts:
    """Return the facts in an item."""
    values = {name: value_of(attribute) for name, attribute in item.items()}
    return IngestFacts(
        technical=values["technical"], exif=values["exif"], at=datetime.fromisoformat(values["at"])
    )


def result_item(key: ImageKey, result: Result) -> Item:
    """Return the item of one attempt's result.

    Raises:
        ValueError: an answer is a number that is not finite.
    """
    values = {
        "generation": result.generation,
        "answers": result.answers,
        "fingerprint": result.fingerprint,
        "decision": asdict(result.decision),
        "scored_by": result.scored_by,
        "at": text_of_time(result.at),
        "prompt_pack": result.prompt_pack,
    }
    attributes = {name: attribute_of(value, name=name) for name, value in values.items() if value is not None}
    return item_key(key, f"{RESULT}{result.result_id}") | attributes


def result_of(item: Mapping[str, "AttributeValueTypeDef"]) -> Result:
    """Return the result in an item."""
    values = {name: value_of(attribute) for name, attribute in item.items()}
    return Result(
        result_id=values["sk"].removeprefix(RESULT),
        generation=values["generation"],
        answers=values["answers"],
        fingerprint=values["fingerprint"],
        decision=decision_of(values["decision"]),
        scored_by=values["scored_by"],
        at=datetime.fromisoformat(values["at"]),
        prompt_pack=values.get("prompt_pack"),
    )
