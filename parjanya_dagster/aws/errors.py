"""The one translation of botocore's errors into Parjanya's: unavailable, denied, or simply wrong.

Every call of an edge runs inside `translated`, so that nothing above the edges knows boto3, and a person
reads what was being done, what AWS answered, and what to do about it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)

from parjanya_dagster.core.errors import DeniedError, EdgeError, UnavailableError

_DENIED_CODES: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_UNAVAILABLE_CODES: Final = frozenset(
    {
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
    }
)
_CREDENTIALS_MISSING: Final = (NoCredentialsError, PartialCredentialsError, TokenRetrievalError)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate what botocore raises in the block.

    `doing` completes "while …", e.g. `writing row acme#0199…`.

    Raises:
        UnavailableError: no answer, throttled, or 5xx, after botocore's own retries.
        DeniedError: refused for lack of permission or of valid credentials.
        EdgeError: any other answer; the request itself does not fit what AWS has.
    """
    try:
        yield
    except ClientError as error:
        raise _translation(error, doing) from error
    except _CREDENTIALS_MISSING as error:
        raise DeniedError(f"while {doing}: {error}; give this process AWS credentials") from error
    except BotoCoreError as error:
        raise UnavailableError(f"while {doing}: {error}") from error


def code_of(error: ClientError) -> str:
    """Return AWS's error code; for an answer without a body (HEAD) that is its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _translation(error: ClientError, doing: str) -> EdgeError:
    code = code_of(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    answer = f"while {doing}: AWS answered {code}: {error.response.get('Error', {}).get('Message', '')}"
    if code in _DENIED_CODES or status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return DeniedError(f"{answer}; this identity needs the permission")
    if code in _UNAVAILABLE_CODES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UnavailableError(answer)
    return EdgeError(answer)
