"""The form a lease has as a DynamoDB item.

It is a file of its own so that the attribute names are written once and the value types of the low-level
client stay out of the decisions.
"""

from typing import TYPE_CHECKING

from parjanya_dagster.asg_executor.lease import Lease, LeaseState, StepOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


def text(value: str) -> "AttributeValueTypeDef":
    """Return `value` as a string attribute."""
    return {"S": str(value)}


def number(value: float) -> "AttributeValueTypeDef":
    """Return `value` as a number attribute; `repr` keeps every digit, so equality conditions hold."""
    return {"N": repr(value)}


def lease_from_item(item: "Mapping[str, AttributeValueTypeDef]") -> Lease:
    """Return the lease an item holds.

    Args:
        item: with at least `pk`, `launch_id`, `state` and `queued_at`.
    """
    outcome = _text_of(item, "outcome")
    return Lease(
        lease_id=item["pk"]["S"],
        launch_id=item["launch_id"]["S"],
        state=LeaseState(item["state"]["S"]),
        queued_at=float(item["queued_at"]["N"]),
        owner=_text_of(item, "owner"),
        claimed_at=_time_of(item, "claimed_at"),
        beat_at=_time_of(item, "beat_at"),
        ended_at=_time_of(item, "ended_at"),
        outcome=StepOutcome(outcome) if outcome else None,
        detail=_text_of(item, "detail") or "",
        cancel_requested=item.get("cancel_requested", {}).get("BOOL", False),
        refusal=_text_of(item, "refusal") or "",
    )


def _text_of(item: "Mapping[str, AttributeValueTypeDef]", name: str) -> str | None:
    return item[name].get("S") if name in item else None


def _time_of(item: "Mapping[str, AttributeValueTypeDef]", name: str) -> float | None:
    return float(item[name]["N"]) if name in item else None
