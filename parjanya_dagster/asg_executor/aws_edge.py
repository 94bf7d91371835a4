"""How this package talks to AWS: one client configuration and one translation of errors.

It exists so that time limits, back-off and error types are decided once. Endpoint, region and credentials
come from the environment that boto3 reads (AWS_ENDPOINT_URL, AWS_REGION, ...), so nothing here knows a laptop
from AWS.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from parjanya_dagster.asg_executor.errors import DeniedError, EdgeError, LostWriteError, UnavailableError

T = TypeVar("T")

log = logging.getLogger("asg_executor.aws")

# Four tries with exponential back-off and jitter (about 7 s in all): enough for a throttle or a dropped
# connection, short enough that a heartbeat is not late because of one call.
CLIENT_CONFIG = Config(
    connect_timeout=3, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4}
)

_TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ScalingActivityInProgress",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TransactionInProgressException",
    },
)


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Turn botocore's errors of the block into this package's types.

    Args:
        operation: the call's name for the message, e.g. "dynamodb:GetItem".

    Raises:
        LostWriteError: the condition of a DynamoDB write did not hold.
        UnavailableError: a timeout, a connection error, a throttle or a 5xx answer.
        DeniedError: any other refusal.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"].get("Code", "Unknown")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "ConditionalCheckFailedException":
            raise LostWriteError(operation, str(error)) from error
        transient = code in _TRANSIENT_CODES or status >= 500  # noqa: PLR2004 -- HTTP's server errors
        raise (UnavailableError if transient else DeniedError)(operation, str(error)) from error
    except BotoCoreError as error:
        raise UnavailableError(operation, str(error)) from error


def attempted(name: str, call: Callable[[], T]) -> T | None:
    """Make a call that can be done without; None, and a log line, when it fails."""
    try:
        return call()
    except EdgeError as error:
        log.warning("call_failed", extra={"call": name, "error": str(error)})
        return None
