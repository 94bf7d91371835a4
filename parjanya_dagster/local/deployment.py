"""Deploy Parjanya to the local AWS: the templates AWS gets, then the users that stand in for its roles."""

from collections.abc import Callable
from typing import Final

from infra.deploy import DeploySettings, deploy
from infra.package import CodeArchive
from parjanya_dagster.core.names import Names
from parjanya_dagster.local.credentials import create_users, root_session
from parjanya_dagster.local.stack import LocalAws

DEFAULT_PREFIX: Final = "parjanya-local"

# silently ignored by the local process' CloudFormation; nothing in the product waits for either
KNOWN_DIFFERENCES: Final = frozenset(
    {"images-table.pitr", "control-table.pitr", "control-table.ttl", "steps-table.ttl"},
)


def deploy_locally(
    aws: LocalAws,
    *,
    prefix: str = DEFAULT_PREFIX,
    max_instances: int = 4,
    code: CodeArchive | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Names:
    """Deploy all stacks and users to `aws` and return the deployment's names; safe to repeat.

    Args:
        aws: a running local AWS.
        prefix: names of everything start with it.
        max_instances: the fleet's upper limit, i.e. worker processes on this machine.
        code: archive of the functions; by default this package.
        progress: told one line per step.

    Raises:
        ConfigError: a stack failed, or an effect is missing.
    """
    settings = DeploySettings(
        prefix=prefix,
        image_id="ami-00000000",  # no machine boots from it: the realiser starts a process instead
        subnets=("subnet-00000001",),
        max_instances=max_instances,
        require_tls=False,
        known_differences=KNOWN_DIFFERENCES,
        code=code,
        timeout_s=120.0,
    )
    deploy(root_session(aws), settings, endpoint_url=aws.endpoint, progress=progress)
    create_users(aws, prefix=prefix)
    return Names(prefix=prefix, account=aws.account)
