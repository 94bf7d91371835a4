"""Deploy Parjanya's stacks in order: `python -m infra.deploy`, or `deploy` from code.

The same templates and the same calls against AWS and against the local process. Safe to repeat and to
interrupt; what has not changed is skipped. Success means that the effects were seen, not that a stack
said CREATE_COMPLETE.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.package import CodeArchive, package_code
from infra.preflight import assert_effects
from infra.stacks import Stack, deploy_stack
from parjanya_dagster.core.errors import ParjanyaError
from parjanya_dagster.core.names import Names, fleets_in

TEMPLATES: Final = Path(__file__).parent / "templates"
STACKS: Final = ("truth", "intent", "execution", "belief", "control")
FLEET: Final = "fleet"
"""The template of each extra fleet's stack, which comes after `execution`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraFleet:
    """A fleet beside the usual one.

    Args:
        name: as `parjanya replay --fleet` has it.
        instance_type: type of its workers.
        usd_per_hour: price of one instance; None where it is the usual one's.
    """

    name: str
    instance_type: str
    usd_per_hour: float | None = None

    def __str__(self) -> str:
        """Return the fleet as PARJANYA_FLEETS has it."""
        return self.name if self.usd_per_hour is None else f"{self.name}:{self.usd_per_hour:.10g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploySettings:
    """What differs between deployments.

    Args:
        prefix: names of everything start with it.
        image_id: AMI of the workers.
        subnets: subnets of the workers, at least one.
        instance_type: type of the workers.
        max_instances: each fleet's upper limit.
        fleets: fleets beside the usual one. Whoever else works with the deployment must name them too:
            PARJANYA_FLEETS.
        warm_pool_size: instances prepared altogether, in service or stopped; 0 for no warm pool.
        boot_s: seconds an instance of the pool may take to load before it counts as booted; 30 to 7200.
        source_buckets: buckets whose objects tenants adopted, or will: their names.
        source_tables: tables of this account and region that records are adopted from: their names.
        layer_arn: layer with third-party libraries; empty where the functions' host has them.
        require_tls: refuse calls without TLS; False only for an endpoint on the same machine.
        known_differences: effects that the endpoint is known not to show, e.g. `control-table.ttl`.
        code: archive of the functions; by default the installed package.
        timeout_s: seconds for everything together.
    """

    prefix: str
    image_id: str
    subnets: tuple[str, ...]
    instance_type: str = "g6e.xlarge"
    max_instances: int = 4
    warm_pool_size: int = 0
    boot_s: int = 300
    fleets: tuple[ExtraFleet, ...] = ()
    source_buckets: tuple[str, ...] = ()
    source_tables: tuple[str, ...] = ()
    layer_arn: str = ""
    require_tls: bool = True
    known_differences: frozenset[str] = frozenset()
    code: CodeArchive | None = field(default=None, repr=False)
    timeout_s: float = 1800.0


def deploy(
    session: boto3.Session,
    settings: DeploySettings,
    *,
    endpoint_url: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, str]:
    """Deploy all stacks and return their outputs in one dict.

    Args:
        session: credentials and region; needs the rights to make everything in the templates.
        settings: what differs between deployments.
        endpoint_url: None for AWS.
        progress: told one line per step.

    Raises:
        ConfigError: a stack failed (which resource and why), or an effect is not what the template says.
        UnavailableError: `timeout_s` passed.
    """
    deadline = time.monotonic() + settings.timeout_s
    cloudformation = session.client("cloudformation", endpoint_url=endpoint_url)
    account = session.client("sts", endpoint_url=endpoint_url).get_caller_identity()["Account"]
    names = Names(prefix=settings.prefix, account=account)
    code = settings.code or package_code()
    values = {**_parameters(settings, names, code), **_arns(session, settings, names)}
    outputs: dict[str, str] = {}
    for name, template, own in _stacks(settings):
        started = time.monotonic()
        wanted = {**values, **outputs, **own}
        stack = Stack(
            name=f"{settings.prefix}-{name}",
            template=template,
            parameters={each: wanted[each] for each in _parameter_names(template) if each in wanted},
        )
        changed, stack_outputs = deploy_stack(cloudformation, stack, deadline=deadline)
        launches = [outputs.get("FleetTemplates"), stack_outputs.pop("FleetTemplateArn", None)]
        outputs |= {**stack_outputs, "FleetTemplates": ",".join(filter(None, launches))}
        if name == "truth" and _upload(session, names.artifacts_bucket, code, endpoint_url):
            progress(f"code    {code.key}, {len(code.body) // 1024} KiB uploaded")
        progress(f"{name:<9} {'deployed' if changed else 'unchanged'} ({time.monotonic() - started:.1f} s)")
    for difference in assert_effects(
        session,
        names,
        endpoint_url=endpoint_url,
        known_differences=settings.known_differences,
        fleets=[each.name for each in settings.fleets],
    ):
        progress(f"known difference of this endpoint: {difference}")
    return outputs


def fleet_of(text: str) -> ExtraFleet:
    """Return the fleet that `NAME:INSTANCE_TYPE[:USD_PER_HOUR]` describes.

    Raises:
        ValueError: it is not written so, or the name cannot be one.
    """
    name, instance_type, usd = (*text.split(":"), "", "")[:3]
    [(name, usd_per_hour)] = fleets_in(f"{name}:{usd}" if usd else name).items()
    if not instance_type:
        raise ValueError(f"'{text}' names no instance type: NAME:INSTANCE_TYPE[:USD_PER_HOUR]")
    return ExtraFleet(name=name, instance_type=instance_type, usd_per_hour=usd_per_hour)


def _stacks(settings: DeploySettings) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield every stack in order: its name, its template, and the parameters that are its own."""
    for layer in STACKS:
        yield layer, (TEMPLATES / f"{layer}.yaml").read_text(), {}
        for each in settings.fleets if layer == "execution" else ():
            own = {"Fleet": each.name, "InstanceType": each.instance_type}
            yield f"{FLEET}-{each.name}", (TEMPLATES / f"{FLEET}.yaml").read_text(), own


def _parameters(settings: DeploySettings, names: Names, code: CodeArchive) -> dict[str, str]:
    return {
        "Prefix": settings.prefix,
        "ImageId": settings.image_id,
        "Subnets": ",".join(settings.subnets),
        "InstanceType": settings.instance_type,
        "MaxInstances": str(settings.max_instances),
        "WarmPoolSize": str(settings.warm_pool_size),
        "BootSeconds": str(settings.boot_s),
        "LayerArn": settings.layer_arn,
        "RequireTls": "true" if settings.require_tls else "false",
        "CodeBucket": names.artifacts_bucket,
        "CodeKey": code.key,
        "Fleets": ",".join(map(str, settings.fleets)),
    }


def _arns(session: boto3.Session, settings: DeploySettings, names: Names) -> dict[str, str]:
    """Return the parameters that name queues of fleets, and what was adopted: ARNs, as policies want them."""
    region = session.region_name
    partition = session.get_partition_for_region(region)
    table = f"arn:{partition}:dynamodb:{region}:{names.account}:table/"
    queue = f"arn:{partition}:sqs:{region}:{names.account}:"
    return {
        "FleetQueues": ",".join(f"{queue}{names.fleet_queue(each.name)}" for each in settings.fleets),
        "SourceBuckets": ",".join(f"arn:{partition}:s3:::{each}" for each in settings.source_buckets),
        "SourceTables": ",".join(f"{table}{each}" for each in settings.source_tables),
    }


def _parameter_names(template: str) -> list[str]:
    """Return the names in the template's `Parameters:` block, which our templates keep at two spaces."""
    block = template.partition("\nParameters:\n")[2]
    names = []
    for line in block.splitlines():
        if line and not line.startswith(" "):
            break
        if line.startswith("  ") and line[2:3].isalpha():
            names.append(line.strip().rstrip(":"))
    return names


def _upload(session: boto3.Session, bucket: str, code: CodeArchive, endpoint_url: str | None) -> bool:
    """Put the code archive where the functions are created from, unless it is there already."""
    s3 = session.client("s3", endpoint_url=endpoint_url)
    try:
        s3.head_object(Bucket=bucket, Key=code.key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchKey", "NotFound"}:
            raise
        s3.put_object(Bucket=bucket, Key=code.key, Body=code.body)
        return True
    return False


def main() -> None:
    """Deploy from the command line, with the credentials and region of the environment."""
    arguments = _parser().parse_args()
    settings = DeploySettings(
        prefix=arguments.prefix,
        image_id=arguments.image_id,
        subnets=arguments.subnets,
        instance_type=arguments.instance_type,
        max_instances=arguments.max_instances,
        warm_pool_size=arguments.warm_pool_size,
        boot_s=arguments.boot_s,
        source_buckets=arguments.source_buckets,
        source_tables=arguments.source_tables,
        layer_arn=arguments.layer_arn,
        fleets=tuple(arguments.fleets),
    )
    try:
        session = boto3.Session(profile_name=arguments.profile, region_name=arguments.region)
        outputs = deploy(session, settings, progress=lambda line: print(line, flush=True))  # noqa: T201 - command
    except (ParjanyaError, BotoCoreError, ClientError) as error:
        sys.exit(f"deploy failed: {error}")
    for name, value in sorted(outputs.items()):
        print(f"{name} = {value}")  # noqa: T201 - the command's answer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy", description=__doc__)
    add = parser.add_argument
    add("--prefix", required=True)
    add("--image-id", required=True, help="AMI of the workers")
    add("--subnets", required=True, type=_names, help="comma-separated subnet ids of the workers")
    add("--instance-type", default="g6e.xlarge")
    add("--max-instances", type=int, default=4)
    add(
        "--fleet",
        dest="fleets",
        action="append",
        default=[],
        type=fleet_of,
        metavar="NAME:INSTANCE_TYPE[:USD_PER_HOUR]",
        help="a fleet beside the usual one; may be repeated",
    )
    add("--warm-pool-size", type=int, default=0, help="instances in service or stopped")
    add("--boot-s", type=int, default=300, help="seconds a boot may take beside a warm pool (300)")
    add("--source-buckets", type=_names, default=(), help="comma-separated buckets that tenants adopt from")
    add("--source-tables", type=_names, default=(), help="comma-separated tables that tenants adopt from")
    add("--layer-arn", default="", help="layer with the functions' third-party libraries")
    add("--region", help="default: the environment's")
    add("--profile", help="default: the environment's")
    return parser


def _names(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list; an empty text names nothing."""
    return tuple(each.strip() for each in text.split(",") if each.strip())


if __name__ == "__main__":
    main()
