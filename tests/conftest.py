"""Fixtures shared by the tests: the laptop's AWS, bare and with everything deployed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, settings

from parjanya_dagster.core.names import Names
from parjanya_dagster.local.credentials import Profile, local_environment, local_session, root_session
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.stack import LocalAws

TEST_PREFIX = "parjanya-test"

# How fast this machine is today is no property of the product.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedAws:
    """A local AWS with all stacks of one prefix, and a session per kind of caller."""

    aws: LocalAws
    names: Names
    root: boto3.Session
    operator: boto3.Session
    worker: boto3.Session

    def environment(self, profile: Profile) -> dict[str, str]:
        """Environment of a process that calls as `profile`."""
        return local_environment(self.aws, profile, prefix=self.names.prefix)


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """One real local AWS process on a free port, IAM enforced, nothing deployed; tests choose own names."""
    aws = LocalAws.start(Path(tmp_path_factory.mktemp("aws")), 0, ends_with_parent=True)
    yield aws
    aws.stop()


@pytest.fixture(scope="session")
def deployed_aws(local_aws: LocalAws) -> DeployedAws:
    """The local AWS with all templates deployed under `TEST_PREFIX`; its functions run this tree's code."""
    names = deploy_locally(local_aws, prefix=TEST_PREFIX)
    return DeployedAws(
        aws=local_aws,
        names=names,
        root=root_session(local_aws),
        operator=local_session(local_aws, Profile.OPERATOR, prefix=TEST_PREFIX),
        worker=local_session(local_aws, Profile.WORKER, prefix=TEST_PREFIX),
    )
