"""Leases in DynamoDB: every change of an attempt's state is one conditional write.

The conditions are the executor's whole concurrency story: a step is claimed once, renewed only by its owner,
and fenced only if it was silent all the while it was being judged. The table has one string key, `pk`, and a
time-to-live attribute, `expires_at`.
"""

from typing import TYPE_CHECKING

from parjanya_dagster.asg_executor.aws_edge import translated
from parjanya_dagster.asg_executor.errors import LostWriteError
from parjanya_dagster.asg_executor.lease import Lease, LeaseState, StepAttempt, StepOutcome
from parjanya_dagster.asg_executor.lease_items import lease_from_item, number, text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

EXPIRES_AFTER_S = 7 * 24 * 3600
OPEN_STEPS_PK = "open"
# An entry this old belongs to a run whose worker was killed between two writes: it wakes nobody any more.
OPEN_STEP_MAX_AGE_S = 24 * 3600

_OWNED = "launch_id = :launch_id AND #owner = :owner AND #state = :running"


class LeaseTable:
    """The table of leases. Every method raises `EdgeError` if AWS does not answer."""

    def __init__(self, client: "DynamoDBClient", *, table: str) -> None:
        self._client = client
        self._table = table

    def open_lease(self, attempt: StepAttempt, *, launch_id: str, now: float) -> Lease:
        """Create the queued lease of `attempt`, or return the live one that exists.

        A resumed run launches an attempt again after it was declared dead: the dead lease is replaced, under
        a new launch id. A live one is left alone, so that a repeated launch executes nothing twice.
        """
        self._mark_open(attempt.lease_id, now=now)
        item = {
            "pk": text(attempt.lease_id),
            "launch_id": text(launch_id),
            "state": text(LeaseState.QUEUED),
            "queued_at": number(now),
            "run_id": text(attempt.run_id),
            "step_key": text(attempt.step_key),
            "expires_at": number(int(now) + EXPIRES_AFTER_S),
        }
        try:
            with translated("dynamodb:PutItem"):
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR NOT #state IN (:queued, :running)",
                    ExpressionAttributeNames={"#state": "state"},
                    ExpressionAttributeValues={
                        ":queued": text(LeaseState.QUEUED),
                        ":running": text(LeaseState.RUNNING),
                    },
                )
        except LostWriteError:
            existing = self.read(attempt.lease_id)
            if existing is not None:
                return existing
        return lease_from_item(item)

    def claim(self, lease_id: str, *, launch_id: str, owner: str, now: float) -> Lease | None:
        """Take the queued lease for `owner`; None if it is not waiting any more (a duplicate message)."""
        return self._update(
            lease_id,
            "SET #state = :running, #owner = :owner, claimed_at = :now, beat_at = :now",
            condition="launch_id = :launch_id AND #state = :queued",
            values={
                ":launch_id": text(launch_id),
                ":owner": text(owner),
                ":queued": text(LeaseState.QUEUED),
                ":running": text(LeaseState.RUNNING),
                ":now": number(now),
            },
        )

    def renew(self, lease_id: str, *, launch_id: str, owner: str, now: float) -> Lease | None:
        """Renew the lease; None if `owner` does not hold it any more and must stop at once."""
        return self._update(
            lease_id,
            "SET beat_at = :now",
            condition=_OWNED,
            values={**_owned_by(launch_id, owner), ":now": number(now)},
        )

    def finish(
        self,
        lease_id: str,
        *,
        launch_id: str,
        owner: str,
        outcome: StepOutcome,
        detail: str,
        now: float,
    ) -> bool:
        """Record how the attempt ended; False if `owner` did not hold it any more."""
        ended = self._update(
            lease_id,
            "SET #state = :done, ended_at = :now, outcome = :outcome, detail = :detail",
            condition=_OWNED,
            values={
                **_owned_by(launch_id, owner),
                ":done": text(LeaseState.DONE),
                ":outcome": text(outcome),
                ":detail": text(detail[:2000]),
                ":now": number(now),
            },
        )
        if ended is not None:
            self._mark_closed(lease_id)
        return ended is not None

    def fence(self, seen: Lease, *, reason: str, now: float) -> bool:
        """Declare the attempt dead, if nothing has happened to it since it was `seen`.

        After this no worker can claim, renew or finish it, so whatever a zombie still computes is refused.
        """
        condition = "launch_id = :launch_id AND #state = :seen_state"
        values = {
            ":launch_id": text(seen.launch_id),
            ":seen_state": text(seen.state),
            ":fenced": text(LeaseState.FENCED),
            ":reason": text(reason[:2000]),
            ":now": number(now),
        }
        if seen.beat_at is not None:
            condition += " AND beat_at = :seen_beat"
            values[":seen_beat"] = number(seen.beat_at)
        fenced = self._update(
            seen.lease_id,
            "SET #state = :fenced, ended_at = :now, detail = :reason",
            condition=condition,
            values=values,
        )
        if fenced is not None:
            self._mark_closed(seen.lease_id)
        return fenced is not None

    def cancel(self, lease_id: str, *, now: float) -> Lease | None:
        """Ask the owner to stop, or withdraw the step if nobody took it; None if it is over already."""
        withdrawn = self._update(
            lease_id,
            "SET #state = :cancelled, ended_at = :now",
            condition="#state = :queued",
            values={
                ":cancelled": text(LeaseState.CANCELLED),
                ":queued": text(LeaseState.QUEUED),
                ":now": number(now),
            },
        )
        if withdrawn is not None:
            self._mark_closed(lease_id)
            return withdrawn
        return self._update(
            lease_id,
            "SET cancel_requested = :yes",
            condition="#state = :running",
            values={":running": text(LeaseState.RUNNING), ":yes": {"BOOL": True}},
        )

    def refuse(self, lease_id: str, *, refusal: str) -> None:
        """Note that a worker saw the step and would not take it, for the message of a later time-out."""
        self._update(
            lease_id,
            "SET refusal = :refusal",
            condition="#state = :queued",
            values={":queued": text(LeaseState.QUEUED), ":refusal": text(refusal[:500])},
        )

    def read(self, lease_id: str) -> Lease | None:
        """Return the lease as it is now (a consistent read)."""
        item = self._get(lease_id)
        return lease_from_item(item) if item else None

    def count_open_steps(self, *, now: float) -> int:
        """Return how many steps are queued or being executed, over all runs: what the fleet is needed for."""
        marks = {key: value for key, value in self._get(OPEN_STEPS_PK).items() if "/" in key}
        return sum(1 for value in marks.values() if now - float(value["N"]) < OPEN_STEP_MAX_AGE_S)

    def _get(self, pk: str) -> "dict[str, AttributeValueTypeDef]":
        with translated("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key={"pk": text(pk)}, ConsistentRead=True)
        return answer.get("Item", {})

    def _update(
        self,
        lease_id: str,
        update: str,
        *,
        condition: str,
        values: "dict[str, AttributeValueTypeDef]",
    ) -> Lease | None:
        names = {"#state": "state", "#owner": "owner"}
        used = f"{update} {condition}"
        try:
            with translated("dynamodb:UpdateItem"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"pk": text(lease_id)},
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={name: names[name] for name in names if name in used},
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                )
        except LostWriteError:
            return None
        return lease_from_item(answer["Attributes"])

    def _mark_open(self, lease_id: str, *, now: float) -> None:
        self._mark("SET #lease = :now", lease_id, values={":now": number(now)})

    def _mark_closed(self, lease_id: str) -> None:
        self._mark("REMOVE #lease", lease_id, values=None)

    def _mark(
        self,
        update: str,
        lease_id: str,
        *,
        values: "dict[str, AttributeValueTypeDef] | None",
    ) -> None:
        with translated("dynamodb:UpdateItem"):
            if values is None:
                self._client.update_item(
                    TableName=self._table,
                    Key={"pk": text(OPEN_STEPS_PK)},
                    UpdateExpression=update,
                    ExpressionAttributeNames={"#lease": lease_id},
                )
            else:
                self._client.update_item(
                    TableName=self._table,
                    Key={"pk": text(OPEN_STEPS_PK)},
                    UpdateExpression=update,
                    ExpressionAttributeNames={"#lease": lease_id},
                    ExpressionAttributeValues=values,
                )


def _owned_by(launch_id: str, owner: str) -> "dict[str, AttributeValueTypeDef]":
    return {
        ":launch_id": text(launch_id),
        ":owner": text(owner),
        ":running": text(LeaseState.RUNNING),
    }
