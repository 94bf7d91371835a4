"""Instances for the laptop: a worker process for each machine of an Auto Scaling group that is switched on.

Takes EC2's part and nobody else's: it follows each fleet's group and warm pool, and reports a process that
died as EC2 would report a machine, so that the group replaces it. An unreadable group changes nothing. How
long a machine boots is the group's affair (PARJANYA_LOCAL_BOOT_S): until then it is not switched on.
"""

import argparse
import logging
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.core.names import Names
from parjanya_dagster.local.credentials import Profile, local_environment, local_session
from parjanya_dagster.local.instances import STABLE_S, fleet_changes, is_on, replacement_delay_s
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.local.worker_process import WorkerProcess, end_orphans

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient

CALLS: Final = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})

FACTS: Final = ("instance_id", "exit_status", "error")

logger = logging.getLogger("parjanya.fleet")


class Process(Protocol):
    """A worker process, as the fleet sees it."""

    @property
    def exit_status(self) -> int | None:
        """Exit status; None while it runs."""

    def ask_to_end(self) -> None:
        """Ask it to finish."""

    def kill(self) -> None:
        """End it now."""


class Group(Protocol):
    """The Auto Scaling group, as the fleet sees it."""

    def switched_on(self) -> frozenset[str]:
        """Return the ids of the instances that run; raises when the group cannot be read."""

    def replace(self, instance_id: str) -> None:
        """Terminate an instance without decrementing the desired capacity."""


class Fleet:
    """The processes of one group, brought in line with it by `follow`."""

    def __init__(
        self,
        group: Group,
        start: Callable[[str], Process],
        *,
        grace_s: float = 20.0,
    ) -> None:
        """Follow `group`.

        Args:
            group: read once per cycle.
            start: starts the worker of an instance.
            grace_s: seconds a worker has between SIGTERM and SIGKILL.
        """
        self._group = group
        self._start = start
        self._grace_s = grace_s
        self._running: dict[str, tuple[Process, float]] = {}  # instance → worker, and since when
        self._ending: dict[str, tuple[Process, float]] = {}  # instance → worker, and when it is killed
        self._dead: dict[str, float] = {}  # instance → when it may be replaced
        self._deaths_in_a_row = 0

    def follow(self, now: float) -> None:
        """Run one cycle: notice deaths, read the group, start, end and replace.

        Args:
            now: seconds of a monotonic clock.
        """
        self._finish_ending(now)
        self._notice_deaths(now)
        try:
            switched_on = self._group.switched_on()
        except (BotoCoreError, ClientError, LookupError) as error:
            logger.warning("group_unreadable", extra={"error": str(error)})
            return
        changes = fleet_changes(switched_on, running=self._running.keys(), dead=self._dead.keys())
        self._dead = {each: due for each, due in self._dead.items() if each in switched_on}
        for instance_id in changes.stop:
            self._end(instance_id, now)
        for instance_id in changes.start:
            if instance_id not in self._ending:  # a machine is off before it is on again
                self._boot(instance_id, now)
        for instance_id in changes.replace:
            if self._dead[instance_id] <= now:
                self._replace(instance_id)

    def end_all(self, now: float) -> None:
        """Ask every worker to end, as a laptop does that is switched off; the group is left as it is."""
        for instance_id in list(self._running):
            self._end(instance_id, now)

    def has_ended(self, now: float) -> bool:
        """Whether no worker is left; kills those whose grace is over."""
        self._finish_ending(now)
        return not self._ending

    def _boot(self, instance_id: str, now: float) -> None:
        try:
            worker = self._start(instance_id)
        except OSError as error:
            logger.exception("worker_not_started", extra={"instance_id": instance_id, "error": str(error)})
            self._mark_dead(instance_id, now)
            return
        self._running[instance_id] = (worker, now)
        logger.info("worker_started", extra={"instance_id": instance_id})

    def _end(self, instance_id: str, now: float) -> None:
        worker, _ = self._running.pop(instance_id)
        worker.ask_to_end()
        self._ending[instance_id] = (worker, now + self._grace_s)
        logger.info("worker_asked_to_end", extra={"instance_id": instance_id})

    def _finish_ending(self, now: float) -> None:
        for instance_id, (worker, kill_at) in list(self._ending.items()):
            status = worker.exit_status
            if status is not None:
                del self._ending[instance_id]
                logger.info("worker_ended", extra={"instance_id": instance_id, "exit_status": status})
            elif now >= kill_at:
                worker.kill()
                logger.warning("worker_killed", extra={"instance_id": instance_id})

    def _notice_deaths(self, now: float) -> None:
        for instance_id, (worker, since) in list(self._running.items()):
            status = worker.exit_status
            if status is None:
                continue
            del self._running[instance_id]
            if now - since >= STABLE_S:
                self._deaths_in_a_row = 0
            logger.warning("worker_died", extra={"instance_id": instance_id, "exit_status": status})
            self._mark_dead(instance_id, now)

    def _mark_dead(self, instance_id: str, now: float) -> None:
        self._deaths_in_a_row += 1
        self._dead[instance_id] = now + replacement_delay_s(self._deaths_in_a_row)

    def _replace(self, instance_id: str) -> None:
        try:
            self._group.replace(instance_id)
        except (BotoCoreError, ClientError) as error:  # tried again in the next cycle
            logger.warning("instance_not_replaced", extra={"instance_id": instance_id, "error": str(error)})
            return
        logger.info("instance_replaced", extra={"instance_id": instance_id})


class AutoScalingGroup:
    """The group, with its warm pool, behind Auto Scaling's API."""

    def __init__(self, client: "AutoScalingClient", name: str) -> None:
        """Read and act on group `name`."""
        self._client = client
        self._name = name

    def switched_on(self) -> frozenset[str]:
        """Return the ids of the instances that run.

        Raises:
            LookupError: there is no such group.
        """
        answer = self._client.describe_auto_scaling_groups(AutoScalingGroupNames=[self._name])
        if not answer["AutoScalingGroups"]:
            raise LookupError(f"there is no Auto Scaling group {self._name}")
        pool = self._client.describe_warm_pool(AutoScalingGroupName=self._name)
        instances = [*answer["AutoScalingGroups"][0].get("Instances", []), *pool["Instances"]]
        return frozenset(each["InstanceId"] for each in instances if is_on(each["LifecycleState"]))

    def replace(self, instance_id: str) -> None:
        """Terminate an instance; the group launches another if it still wants as many."""
        self._client.terminate_instance_in_auto_scaling_group(
            InstanceId=instance_id, ShouldDecrementDesiredCapacity=False
        )


def worker_starter(
    *, command: list[str], group: str, environment: Mapping[str, str], directory: Path
) -> Callable[[str], Process]:
    """Return what starts a worker for an instance.

    Args:
        command: executable and arguments; `{instance_id}` and `{group}` are replaced in each.
        group: name of the Auto Scaling group.
        environment: environment of every worker; INSTANCE_ID and AUTO_SCALING_GROUP are added.
        directory: existing directory of logs and pid files.
    """

    def start(instance_id: str) -> Process:
        identity = {"INSTANCE_ID": instance_id, "AUTO_SCALING_GROUP": group}
        return WorkerProcess.start(
            instance_id,
            command=[
                part.replace("{instance_id}", instance_id).replace("{group}", group) for part in command
            ],
            environment={**environment, **identity},
            directory=directory,
        )

    return start


class _Lines(logging.Formatter):
    """One line per event, with its facts behind it."""

    def format(self, record: logging.LogRecord) -> str:
        facts = [f"{name}={record.__dict__[name]}" for name in FACTS if name in record.__dict__]
        return " ".join([super().format(record), *facts])


def main() -> None:
    """Follow the groups of all fleets until SIGTERM or SIGINT, then end their workers."""
    parser = argparse.ArgumentParser(
        description="Run a worker process for each running instance of a local Auto Scaling group.",
        epilog="Workers call AWS as profile 'worker'; INSTANCE_ID and AUTO_SCALING_GROUP say who they are.",
    )
    parser.add_argument("--aws-dir", type=Path, default=Path(".parjanya/aws"), help="state of the local AWS")
    parser.add_argument("--directory", type=Path, default=Path(".parjanya/fleet"), help="logs and pid files")
    parser.add_argument("--prefix", default=os.environ.get("PARJANYA_PREFIX", "parjanya-local"))
    parser.add_argument("--interval-s", type=float, default=0.5)
    parser.add_argument("--grace-s", type=float, default=20.0)
    parser.add_argument(
        "--extra",
        nargs=2,
        action="append",
        default=[],
        metavar=("FLEET", "COMMAND"),
        dest="extras",
        help="another fleet, and the command of its workers in one string",
    )
    parser.add_argument(
        "command", nargs="+", help="after --: the worker's command; {instance_id} is replaced"
    )
    arguments = parser.parse_args()
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        _run(arguments)
    except ConfigError as error:
        sys.exit(str(error))


def _run(arguments: argparse.Namespace) -> None:
    aws = LocalAws.attach(arguments.aws_dir)
    if aws is None:
        raise ConfigError(f"no local AWS runs on {arguments.aws_dir}: start it with `parjanya up`")
    directory: Path = arguments.directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    for instance_id in end_orphans(directory, grace_s=arguments.grace_s):
        logger.warning("orphan_ended", extra={"instance_id": instance_id})
    names = Names(prefix=arguments.prefix, account=aws.account)
    client = local_session(aws, Profile.OPERATOR, prefix=arguments.prefix).client(
        "autoscaling", endpoint_url=aws.endpoint, config=CALLS
    )
    environment = {
        **local_environment(aws, Profile.WORKER, prefix=arguments.prefix),
        "ASG_EXECUTOR_BOOT_HOOK": f"{arguments.prefix}-boot",  # as the launch template's user data says it
    }

    def fleet_of(group: str, command: list[str], **own: str) -> Fleet:
        given = environment | own
        start = worker_starter(command=command, group=group, environment=given, directory=directory)
        return Fleet(AutoScalingGroup(client, group), start, grace_s=arguments.grace_s)

    fleets = [
        fleet_of(names.gpu_group, arguments.command),
        *(
            fleet_of(names.fleet_group(name), shlex.split(command), PARJANYA_FLEET=name)
            for name, command in arguments.extras
        ),
    ]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        for fleet in fleets:
            fleet.follow(time.monotonic())
        stop.wait(arguments.interval_s)
    for fleet in fleets:
        fleet.end_all(time.monotonic())
    while False in {fleet.has_ended(time.monotonic()) for fleet in fleets}:
        time.sleep(min(arguments.interval_s, 0.1))


if __name__ == "__main__":
    main()
