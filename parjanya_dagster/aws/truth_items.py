"""Heads as items of the images table, and back: pure, so that it is tested alone.

One image is one partition, `pk` = `tenant#image`; `sk` is `head`, `facts` or `result#<id>`. A head is kept
under 1 KB, the size of one write unit: it carries only what is not None, 0 or False, object keys without the
folder that bears the image id (and not at all where the rest is the file's name), and checksums as bytes.
From it follow the index attributes:

* `gap_key` = `lane#shard` while the row is a gap with a `due_at` (index `gap`, sorted by `due_at`);
* `outstanding_key` = `shard` while a job is out (index `outstanding`, sorted by `intent_at`);
* `listing_key` = `tenant#shard`, always (index `listing`, sorted by `image_id`).

`due_at` and `intent_at` are the row's own values and sort keys at once: epoch milliseconds. `as_stored` says
what becomes of a row on the way, so that equality holds between what was written and what is read.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from parjanya_dagster.aws.attributes import Item, attribute_of, value_of
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.names import ORIGINALS, PREVIEWS
from parjanya_dagster.core.truth.identity import ImageKey, image_key_from
from parjanya_dagster.core.truth.row import (
    SCHEMA_VERSION,
    Batches,
    Decision,
    ImageRow,
    Lane,
    Original,
    Override,
    Previews,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

HEAD: Final = "head"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_WHOLE: Final = ":"
_IN_MILLISECONDS: Final = ("due_at", "intent_at")


_WAITING: Final = frozenset({"gap_key", "due_at", "outstanding_key", "intent_at", "intent_id", "quarantined"})
"""What says that a row waits, and for which job."""


def item_key(key: ImageKey, sk: str = HEAD) -> Item:
    """Return the primary key of one of an image's items."""
    return {"pk": {"S": str(key)}, "sk": {"S": sk}}


def image_key_of_item(item: Mapping[str, "AttributeValueTypeDef"]) -> ImageKey:
    """Return the image an item (or a stream record's keys) belongs to."""
    return image_key_from(item["pk"]["S"])


def head_item(row: ImageRow) -> Item:
    """Return the whole item of a head."""
    values = {name: value for name, value in _head_values(row).items() if value or value in ("", ())}
    return item_key(row.key) | {name: attribute_of(value, name=name) for name, value in values.items()}


def head_changes(before: ImageRow, after: ImageRow) -> tuple[Item, list[str]]:
    """Return the attributes to set and those to remove, derived index attributes included.

    A row that changes its status or generation leaves every index entry of the old one behind, whatever
    landed there since `before` was read: a stamp that was late must not survive on a settled row.

    Raises:
        ValueError: the rows are of different images.
    """
    if before.key != after.key:
        raise ValueError(f"{before.key} cannot become {after.key}")
    old, new = head_item(before), head_item(after)
    moves = (before.status, before.generation) != (after.status, after.generation)
    always = _WAITING if moves else frozenset()
    changed = {name: value for name, value in new.items() if name in always or old.get(name) != value}
    return changed, sorted((old.keys() | always) - new.keys())


def row_of(item: Mapping[str, "AttributeValueTypeDef"]) -> ImageRow:
    """Return the row in a head's item; attributes it does not know are left alone.

    The next schema is read too: it is this one plus attributes that may be ignored (ADR 10).

    Raises:
        ConfigError: a version of Parjanya wrote it that is newer than the next.
    """
    values = {name: value_of(attribute) for name, attribute in item.items()}
    key = image_key_from(values["pk"])
    if values["schema"] > SCHEMA_VERSION + 1:
        raise ConfigError(
            f"row {key} has schema {values['schema']}, this process reads up to {SCHEMA_VERSION + 1}: "
            "deploy the version of Parjanya that wrote it here too",
        )
    optional = {
        name: values.get(name)
        for name in (
            *("uploader", "file_name", "content_type", "intent_id", "last_error", "fleet"),
            *("decided_generation", "result_id", "scored_by"),
        )
    }
    return ImageRow(
        key=key,
        status=Status(values["status"]),
        generation=values["generation"],
        entered_at=datetime.fromisoformat(values["entered_at"]),
        lane=Lane(values["lane"]),
        priority=values["priority"],
        due_at=_at(values.get("due_at")),
        intent_at=_at(values.get("intent_at")),
        emissions=values.get("emissions", 0),
        attempts=values.get("attempts", 0),
        quarantined=values.get("quarantined", False),
        returns=values.get("returns", 0),
        postponed=values.get("postponed", 0),
        questions=tuple(values["questions"]) if "questions" in values else None,
        original=_original(values, key),
        previews=_previews(values.get("previews"), key),
        decision=decision_of(values["decision"]) if "decision" in values else None,
        override=_override(values.get("override")),
        batches=Batches(**values["batches"]) if "batches" in values else None,
        schema=values["schema"],
        **optional,
    )


def as_stored(row: ImageRow) -> ImageRow:
    """Return the row as it is read back: `due_at` and `intent_at` in whole milliseconds, rounded down."""
    return replace(row, due_at=_at(_millis(row.due_at)), intent_at=_at(_millis(row.intent_at)))


def gap_key(lane: Lane, shard: int) -> str:
    """Return a partition of the index `gap`."""
    return f"{lane}#{shard}"


def listing_key(tenant_id: str, shard: int) -> str:
    """Return a partition of the index `listing`."""
    return f"{tenant_id}#{shard}"


def millis_before(limit: datetime) -> int:
    """Return the least whole millisecond that is not before `limit`: stored < this means earlier than it."""
    return -((_EPOCH - limit) // _MILLISECOND)


def text_of_time(at: datetime) -> str:
    """Return a time as text, in UTC with microseconds: sorts as time does."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def decision_of(values: Mapping[str, Any]) -> Decision:
    """Return the decision in a map attribute."""
    return Decision(
        verdict=Verdict(values["verdict"]),
        reason_codes=tuple(values["reason_codes"]),
        policy_version=values["policy_version"],
    )


def _head_values(row: ImageRow) -> dict[str, Any]:
    stored = {name: getattr(row, name) for name in row.__slots__ if name != "key"}
    stored |= {name: _millis(stored[name]) for name in _IN_MILLISECONDS}
    stored |= {
        "entered_at": text_of_time(row.entered_at),
        "original": row.original and _original_values(row.original, row),
        "previews": row.previews and _preview_values(row.previews, row.key),
        "decision": row.decision and asdict(row.decision),
        "override": row.override and asdict(row.override) | {"at": text_of_time(row.override.at)},
        "batches": row.batches and asdict(row.batches),
    }
    return stored | {
        "gap_key": gap_key(row.lane, row.key.shard) if row.is_gap and row.due_at is not None else None,
        "outstanding_key": str(row.key.shard) if row.has_outstanding_intent else None,
        "listing_key": listing_key(row.key.tenant_id, row.key.shard),
        "image_id": row.key.image_id,
    }


def _original_values(original: Original, row: ImageRow) -> dict[str, Any]:
    values = {name: value for name, value in asdict(original).items() if value is not None}
    values["key"] = _relative(original.key, f"{ORIGINALS}{row.key.image_id}")
    if row.file_name is not None and values["key"] == f"/{row.file_name}":
        del values["key"]
    if original.sha256 is not None:
        values["sha256"] = bytes.fromhex(original.sha256)
    return values


def _original(item: Mapping[str, Any], key: ImageKey) -> Original | None:
    if "original" not in item:
        return None
    values = item["original"]
    stored_key = values["key"] if "key" in values else f"/{item['file_name']}"
    sha256 = values["sha256"].hex() if "sha256" in values else None
    whole_key = _absolute(stored_key, f"{ORIGINALS}{key.image_id}")
    return Original(**{**values, "key": whole_key, "sha256": sha256})


def _override(values: Mapping[str, Any] | None) -> Override | None:
    if values is None:
        return None
    verdict, at = Verdict(values["verdict"]), datetime.fromisoformat(values["at"])
    return Override(verdict=verdict, by=values["by"], reason=values["reason"], at=at)


def _preview_values(previews: Previews, key: ImageKey) -> dict[str, Any]:
    folder = f"{PREVIEWS}{key.image_id}"
    return {name: _relative(value, folder) for name, value in asdict(previews).items()}


def _previews(values: Mapping[str, Any] | None, key: ImageKey) -> Previews | None:
    if values is None:
        return None
    folder = f"{PREVIEWS}{key.image_id}"
    return Previews(**{name: _absolute(value, folder) for name, value in values.items()})


def _relative(object_key: str, folder: str) -> str:
    # A key inside the folder keeps the slash it starts with; any other key is stored whole, behind a colon.
    inside = object_key.startswith(f"{folder}/")
    return object_key.removeprefix(folder) if inside else f"{_WHOLE}{object_key}"


def _absolute(stored: str, folder: str) -> str:
    return stored.removeprefix(_WHOLE) if stored.startswith(_WHOLE) else f"{folder}{stored}"


def _millis(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // _MILLISECOND


def _at(millis: int | None) -> datetime | None:
    return None if millis is None else _EPOCH + millis * _MILLISECOND
