"""Deploy Parjanya to the local AWS: the templates AWS gets, then the users that stand in for its roles."""

from collections.abc import Callable, Mapping
from typing import Final

import boto3

from infra.deploy import DeploySettings, ExtraFleet, deploy
from infra.package import CodeArchive
from parjanya_dagster.core.names import Names
from parjanya_dagster.local.credentials import create_users, root_session
from parjanya_dagster.local.stack import LocalAws

DEFAULT_PREFIX: Final = "parjanya-local"
NO_FLEETS: Final[Mapping[str, float | None]] = {}

_EXTRA_TYPE: Final = "g6e.4xlarge"
"""What an extra fleet's template says; a process is started instead."""

# silently ignored by the local process' CloudFormation; nothing in the product waits for any of it
KNOWN_DIFFERENCES: Final = frozenset(
    {
        *("images-table.pitr", "control-table.pitr", "control-table.ttl", "steps-table.ttl"),
        *("on-stream.has_reserved_share", "on-schedule.has_reserved_share"),
    },
)


def worker_image(session: boto3.Session, *, prefix: str, endpoint_url: str) -> str:
    """Return the id of the workers' registered image; one that was deregistered is baked again.

    No machine boots from it, a process is started instead. But as on AWS nothing is launched without it,
    so that `aws ec2 deregister-image` stages what a deregistered image does to a fleet.
    """
    ec2 = session.client("ec2", endpoint_url=endpoint_url)
    name = f"{prefix}-worker"
    known = ec2.describe_images(Filters=[{"Name": "name", "Values": [name]}])["Images"]
    image = known[0] if known else ec2.register_image(Name=name)
    return str(image["ImageId"])


def deploy_locally(
    aws: LocalAws,
    *,
    prefix: str = DEFAULT_PREFIX,
    max_instances: int = 4,
    fleets: Mapping[str, float | None] = NO_FLEETS,
    code: CodeArchive | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Names:
    """Deploy all stacks and users to `aws` and return the deployment's names; safe to repeat.

    Args:
        aws: a running local AWS.
        prefix: names of everything start with it.
        max_instances: each fleet's upper limit, i.e. worker processes on this machine.
        fleets: extra fleets, each with the price of its instance in USD per hour if it has one of its own.
        code: archive of the functions; by default this package.
        progress: told one line per step.

    Raises:
        ConfigError: a stack failed, or an effect is missing.
    """
    settings = DeploySettings(
        prefix=prefix,
        image_id=worker_image(root_session(aws), prefix=prefix, endpoint_url=aws.endpoint),
        subnets=("subnet-00000001",),
        max_instances=max_instances,
        fleets=tuple(
            ExtraFleet(name=name, instance_type=_EXTRA_TYPE, usd_per_hour=usd) for name, usd in fleets.items()
        ),
        require_tls=False,
        known_differences=KNOWN_DIFFERENCES,
        code=code,
        timeout_s=120.0,
    )
    deploy(root_session(aws), settings, endpoint_url=aws.endpoint, progress=progress)
    create_users(aws, prefix=prefix)
    return Names(prefix=prefix, account=aws.account)
