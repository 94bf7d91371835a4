"""What the contract tests run against: fakes, the local AWS process, and moto as a second opinion.

The edges are held to one contract over different implementations, so that neither a fake nor an emulator
can quietly become the specification.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3

import infra
from parjanya_dagster.aws.clients import AwsClients
from parjanya_dagster.core.names import Names

PREFIX: Final = "parjanya-contract"  # not the deployment whose functions would react to what is written here
TEMPLATES: Final = Path(infra.__file__).parent / "templates"
ROOT: Final = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")

MOTO_DIFFERENCES: Final[Mapping[str, str]] = {
    "test_upload_of_another_length_is_refused": "it does not check what a presigned URL signed",
    "test_upload_of_other_bytes_is_refused": "it does not compare checksums with bodies",
    "test_upload_with_other_headers_is_refused": "it does not check what a presigned URL signed",
    "test_upload_without_the_precondition_is_refused": "it does not check what a presigned URL signed",
}
"""Promise → how moto breaks it. Strict: a difference that disappears fails too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One implementation of AWS with the tables of `names`."""

    clients: AwsClients
    names: Names

    def clear_tables(self) -> None:
        """Delete every item of both tables."""
        dynamodb = self.clients.dynamodb
        for table in (self.names.images_table, self.names.control_table):
            for item in dynamodb.scan(TableName=table, ProjectionExpression="pk, sk")["Items"]:
                dynamodb.delete_item(TableName=table, Key=item)

    def new_queue(self) -> str:
        """Create an empty queue and return its name; a purge is allowed once a minute only."""
        name = f"{self.names.prefix}-{uuid.uuid4().hex}"
        self.clients.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "180"})
        return name

    def new_bucket(self) -> str:
        """Create an empty versioned bucket and return its name."""
        name = f"{self.names.prefix}-{uuid.uuid4().hex[:20]}"
        self.clients.s3.create_bucket(Bucket=name)
        self.clients.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name


def endpoint_at(url: str, *, layers: tuple[str, ...] = ("truth", "execution")) -> Endpoint:
    """Create the stacks of these layers at `url`, from the templates that AWS gets; return the endpoint."""
    cloudformation = ROOT.client("cloudformation", endpoint_url=url)
    image = ROOT.client("ec2", endpoint_url=url).register_image(Name=f"{PREFIX}-worker")["ImageId"]
    given = {"RequireTls": "false", "ImageId": image, "Subnets": "subnet-00000001"}
    for layer in layers:
        template = (TEMPLATES / f"{layer}.yaml").read_text()
        parameters = {"Prefix": PREFIX, **{k: v for k, v in given.items() if f"\n  {k}:\n" in template}}
        cloudformation.create_stack(
            StackName=f"{PREFIX}-{layer}",
            TemplateBody=template,
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        waiter = cloudformation.get_waiter("stack_create_complete")
        waiter.wait(StackName=f"{PREFIX}-{layer}", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    clients = AwsClients(region="us-east-1", endpoint_url=url, session=ROOT)
    account = ROOT.client("sts", endpoint_url=url).get_caller_identity()["Account"]
    return Endpoint(clients=clients, names=Names(prefix=PREFIX, account=account))


@contextmanager
def served_moto() -> Iterator[str]:
    """Serve moto on a free port, one request at a time: its conditional writes lose updates otherwise."""
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - slow to import
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415 - comes with moto's server

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


HttpPut = Callable[[str, bytes, Mapping[str, str]], int]


def http_put(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """PUT as any client would and return the HTTP status."""
    request = Request(url, data=body, headers=dict(headers), method="PUT")  # noqa: S310 - our own URL
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - our own URL
            return HTTPStatus(answer.status)
    except HTTPError as error:
        with error:
            return HTTPStatus(error.code)
