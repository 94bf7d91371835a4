"""From a shell to the platform: the laptop's when it runs, else the one the environment describes."""

import os

import click

from parjanya_dagster.cli.home import Home
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.local.credentials import Profile, local_environment
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.wiring import platform_from_environment

_OWN = frozenset({"PARJANYA_ACCOUNT", "PARJANYA_PREFIX", "PARJANYA_REGION"})


def environment_of(home: Home, aws: LocalAws, profile: Profile) -> dict[str, str]:
    """Return the environment for a process that works with the laptop's platform.

    A person's own PARJANYA_* settings stay; what names AWS resources is the laptop's.
    """
    settings = {
        name: value for name, value in os.environ.items() if name.startswith("PARJANYA_") and name not in _OWN
    }
    return {
        **local_environment(aws, profile, prefix=home.prefix),
        **settings,
        "PARJANYA_HOME": str(home.path),
        "PARJANYA_MAX_INSTANCES": str(home.max_instances),
    }


def connect(home: Home) -> Platform:
    """Return the platform to work with: the one given as the command's context object, if any.

    Raises:
        ConfigError: nothing runs here and the environment names no deployment.
    """
    context = click.get_current_context(silent=True)
    given = context.find_object(Platform) if context else None
    if given is not None:
        return given
    aws = LocalAws.attach(home.aws)
    if aws is not None:
        environment = environment_of(home, aws, Profile.OPERATOR)
        os.environ.clear()
        os.environ.update(environment)
    elif "PARJANYA_ACCOUNT" not in os.environ:
        raise ConfigError(
            f"nothing runs in {home.path}: start it with `parjanya up`, or describe a deployment on AWS "
            "with PARJANYA_ACCOUNT, PARJANYA_PREFIX and the usual AWS settings",
        )
    return platform_from_environment("cli")
