"""The translation of botocore's errors."""

import socket

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.aws.errors import translated
from parjanya_dagster.aws.execution_asg import AutoScalingFleet
from parjanya_dagster.core.belief.signals import Blind
from parjanya_dagster.core.errors import DeniedError, EdgeError, UnavailableError
from tests.contract.endpoints import ROOT


def refusal(code: str, status: int) -> ClientError:
    """Return what botocore raises for an answer."""
    return ClientError(
        {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # the rest of the metadata plays no part
        "GetItem",
    )


@pytest.mark.parametrize(
    ("error", "translation"),
    [
        (refusal("AccessDeniedException", 400), DeniedError),
        (refusal("403", 403), DeniedError),
        (refusal("InvalidClientTokenId", 403), DeniedError),
        (NoCredentialsError(), DeniedError),
        (refusal("ThrottlingException", 400), UnavailableError),
        (refusal("ProvisionedThroughputExceededException", 400), UnavailableError),
        (refusal("InternalServerError", 500), UnavailableError),
        (EndpointConnectionError(endpoint_url="http://nowhere"), UnavailableError),
        (refusal("ResourceNotFoundException", 400), EdgeError),
        (refusal("ValidationException", 400), EdgeError),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:60]),
)
def test_error_is_translated_by_what_the_caller_can_do(
    error: Exception, translation: type[EdgeError]
) -> None:
    """Try again later; ask for a permission; or mend the request: three types, nothing of boto3."""
    with pytest.raises(EdgeError) as raised, translated("reading row acme#1"):
        raise error

    assert type(raised.value) is translation
    assert "while reading row acme#1" in str(raised.value)
    assert raised.value.__cause__ is error


def test_other_errors_pass_through() -> None:
    """A bug is not an outage."""
    with pytest.raises(KeyError), translated("reading"):
        raise KeyError("bug")


def test_endpoint_that_does_not_listen_is_blind_with_the_reason() -> None:
    """An outage of the control plane's own network reads as Blind, never as zero."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        clients = AwsClients(region="us-east-1", endpoint_url=url, session=ROOT)

        signal = AutoScalingFleet(clients.autoscaling, group="parjanya-test-gpu").size()

    assert isinstance(signal, Blind)
    assert url in signal.reason
