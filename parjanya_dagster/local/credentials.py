"""The users of the local AWS: one per kind of process, with exactly the policy its role has on AWS.

Made at deploy time with generated keys, so that IAM is exercised on every call and a missing right
shows on the laptop. Root (`test`) serves the deploy only.
"""

import configparser
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from botocore.exceptions import ClientError

from parjanya_dagster.local.stack import ROOT_KEY, LocalAws

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

CREDENTIALS_FILE: Final = "credentials"
CONFIG_FILE: Final = "config"


class Profile(StrEnum):
    """Who calls: the command line, web app and Dagster; or one worker instance."""

    OPERATOR = "operator"
    WORKER = "worker"


def root_session(aws: LocalAws) -> boto3.Session:
    """Return a session with every right; for the deploy and for tests that arrange or damage."""
    return boto3.Session(
        aws_access_key_id=ROOT_KEY,
        aws_secret_access_key=ROOT_KEY,
        region_name=aws.region,
    )


def create_users(aws: LocalAws, *, prefix: str) -> Path:
    """Make sure that each profile has a user, its policy and a working key; return the credentials file.

    Safe to repeat: a key that the local AWS still knows is kept. The file is readable by its owner only.

    Args:
        aws: a running local AWS with the stacks of `prefix` deployed.
        prefix: the deployment.
    """
    iam = root_session(aws).client("iam", endpoint_url=aws.endpoint)
    path = aws.state_dir / CREDENTIALS_FILE
    known = configparser.ConfigParser()
    known.read(path)
    for profile in Profile:
        user = f"{prefix}-{profile}"
        try:
            iam.create_user(UserName=user)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityAlreadyExists":
                raise
        # the managed policies are named like the users: see execution.yaml and control.yaml
        iam.attach_user_policy(UserName=user, PolicyArn=f"arn:aws:iam::{aws.account}:policy/{user}")
        if not _is_valid(iam, user, known.get(user, "aws_access_key_id", fallback="")):
            key = iam.create_access_key(UserName=user)["AccessKey"]
            known[user] = {
                "aws_access_key_id": key["AccessKeyId"],
                "aws_secret_access_key": key["SecretAccessKey"],
            }
    config = configparser.ConfigParser()
    for user in known.sections():
        config[f"profile {user}"] = {"region": aws.region, "s3": "\naddressing_style = path"}
    _write_private(path, known)
    _write_private(aws.state_dir / CONFIG_FILE, config)
    return path


def local_environment(
    aws: LocalAws, profile: Profile, *, prefix: str, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the complete environment for a process that calls the local AWS as `profile`.

    Args:
        aws: the running local AWS.
        profile: whose rights the process gets.
        prefix: the deployment.
        base: environment to start from, by default this process'; its AWS settings are dropped, so that
            nothing of the person's own AWS set-up can leak in.
    """
    inherited = os.environ if base is None else base
    return {
        **{name: value for name, value in inherited.items() if not name.startswith("AWS_")},
        "AWS_CONFIG_FILE": str(aws.state_dir / CONFIG_FILE),
        "AWS_DEFAULT_REGION": aws.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_PROFILE": f"{prefix}-{profile}",
        "AWS_REGION": aws.region,
        "AWS_SHARED_CREDENTIALS_FILE": str(aws.state_dir / CREDENTIALS_FILE),
        "PARJANYA_ACCOUNT": aws.account,
        "PARJANYA_PREFIX": prefix,
        "PARJANYA_REGION": aws.region,
    }


def local_session(aws: LocalAws, profile: Profile, *, prefix: str) -> boto3.Session:
    """Return a session of `profile` for calls from this process; pass `aws.endpoint` to its clients."""
    known = configparser.ConfigParser()
    known.read(aws.state_dir / CREDENTIALS_FILE)
    return boto3.Session(
        aws_access_key_id=known[f"{prefix}-{profile}"]["aws_access_key_id"],
        aws_secret_access_key=known[f"{prefix}-{profile}"]["aws_secret_access_key"],
        region_name=aws.region,
    )


def _is_valid(iam: "IAMClient", user: str, key: str) -> bool:
    keys = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    return any(each["AccessKeyId"] == key for each in keys)


def _write_private(path: Path, content: configparser.ConfigParser) -> None:
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        content.write(file)
    scratch.replace(path)
