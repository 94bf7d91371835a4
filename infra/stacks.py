"""One CloudFormation stack, deployed by change set: to AWS and to the local process by the same calls."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from parjanya_dagster.core.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

DIGEST_TAG: Final = "parjanya:digest"

_POLL_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # then every 5 s
_POLL_MAX_S: Final = 5.0
_NOTHING_TO_DO: Final = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack as it should be."""

    name: str
    template: str
    parameters: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Digest of template and parameters; kept as a tag, so that an unchanged stack costs one call."""
        content = json.dumps([self.template, dict(sorted(self.parameters.items()))])
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def deploy_stack(
    client: "CloudFormationClient", stack: Stack, *, deadline: float
) -> tuple[bool, dict[str, str]]:
    """Bring `stack` about and return whether anything changed, and its outputs.

    Args:
        client: CloudFormation client with the rights to make everything in the template.
        stack: what should be.
        deadline: `time.monotonic()` value after which to give up waiting.

    Raises:
        ConfigError: CloudFormation refused or rolled back; the message names each resource and why.
        UnavailableError: the deadline passed.
    """
    found = _settled(client, stack.name, deadline)
    if found is not None and found["StackStatus"] == "ROLLBACK_COMPLETE":
        # the first creation failed and left nothing: such a stack can only be deleted
        client.delete_stack(StackName=stack.name)
        found = _settled(client, stack.name, deadline)
    if found is not None and found["StackStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
        if tags.get(DIGEST_TAG) == stack.digest:
            return False, _outputs(found)
    is_new = found is None or found["StackStatus"] == "REVIEW_IN_PROGRESS"
    changed = _change(client, stack, is_new=is_new, deadline=deadline)
    after = _settled(client, stack.name, deadline)
    if after is not None and not changed:
        return False, _outputs(after)
    if after is None or after["StackStatus"] not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        status = "missing" if after is None else after["StackStatus"]
        raise ConfigError(f"stack {stack.name} is {status}: {_failures(client, stack.name)}")
    return changed, _outputs(after)


def _change(client: "CloudFormationClient", stack: Stack, *, is_new: bool, deadline: float) -> bool:
    name = f"parjanya-{stack.digest[:12]}-{time.time_ns()}"
    try:
        client.create_change_set(
            StackName=stack.name,
            ChangeSetName=name,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateBody=stack.template,
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": DIGEST_TAG, "Value": stack.digest}],
        )
        for pause_s in _pauses(stack.name, deadline):
            change_set = client.describe_change_set(StackName=stack.name, ChangeSetName=name)
            if change_set["Status"] == "CREATE_COMPLETE":
                break
            if change_set["Status"] == "FAILED":
                reason = change_set.get("StatusReason", "no reason given")
                if any(text in reason for text in _NOTHING_TO_DO):
                    client.delete_change_set(StackName=stack.name, ChangeSetName=name)
                    return False
                raise ConfigError(f"change set for stack {stack.name} failed: {reason}")
            time.sleep(pause_s)
        client.execute_change_set(StackName=stack.name, ChangeSetName=name)
    except ClientError as error:
        raise ConfigError(f"CloudFormation refused stack {stack.name}: {error}") from error
    return True


def _settled(client: "CloudFormationClient", name: str, deadline: float) -> "StackTypeDef | None":
    """Return the stack once nothing is in progress, or None if there is none."""
    for pause_s in _pauses(name, deadline):
        found = _describe(client, name)
        if found is None or found["StackStatus"] == "REVIEW_IN_PROGRESS":
            return found
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            return None if found["StackStatus"] == "DELETE_COMPLETE" else found
        time.sleep(pause_s)
    return None


def _describe(client: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    try:
        return client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _failures(client: "CloudFormationClient", name: str) -> str:
    """Return each resource that failed in the latest operation and why, first cause first."""
    lines: list[str] = []
    for event in client.describe_stack_events(StackName=name)["StackEvents"]:
        reason = event.get("ResourceStatusReason", "")
        if event.get("ResourceStatus", "").endswith("_FAILED") and "cancelled" not in reason:
            lines.insert(0, f"{event.get('LogicalResourceId')} ({event.get('ResourceType')}): {reason}")
        if event.get("ResourceType") == "AWS::CloudFormation::Stack" and event.get("ResourceStatus") in {
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
        }:
            break
    return "; ".join(lines) or "no failed resource is recorded; see the stack's events"


def _outputs(stack: "StackTypeDef") -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _pauses(name: str, deadline: float) -> Iterator[float]:
    pauses = iter(_POLL_S)
    while True:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"stack {name} was not settled in time: look at its events, then deploy again"
            )
        yield next(pauses, _POLL_MAX_S)
