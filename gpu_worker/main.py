"""The command line of the worker: `python -m gpu_worker headless`, and what makes a model folder ready."""

import argparse
import logging
import os
import signal
from collections.abc import Sequence
from types import FrameType

from gpu_worker.boot.commands import EXIT_MISCONFIGURED, add_commands, exit_status
from gpu_worker.boot.failures import BootFailedError
from gpu_worker.boot.worker import booted_scorer
from gpu_worker.headless import run_headless
from gpu_worker.membership import (
    Departure,
    GroupService,
    boot_hook_of,
    booting,
    member_from_environment,
    template_version,
)
from gpu_worker.settings import load_worker_settings
from gpu_worker.vitals import Vitals
from parjanya_dagster.core.errors import ConfigError
from parjanya_dagster.settings import load_settings
from parjanya_dagster.telemetry import configure_logging
from parjanya_dagster.wiring import platform_from

_EPILOG = """
environment:
  PARJANYA_PREFIX, PARJANYA_ACCOUNT, PARJANYA_REGION, PARJANYA_ENGINE   the platform, and the engine (cpu)
  PARJANYA_FLEET                           the extra fleet whose jobs it takes; the usual one's if unset
  PARJANYA_VISIBILITY_S                    the queue's visibility timeout (180)
  PARJANYA_WORKER_MODEL                    the model folder, for an engine that has one
  PARJANYA_WORKER_DEVICE                   where it computes: auto, cpu, cuda:0 ... (auto)
  PARJANYA_WORKER_STATE                    a folder where a machine notes that it hashed the model folder: its
                                           next boots compare sizes and times; unset: each boot reads it all
  PARJANYA_WORKER_MICRO_BATCH              images per call of the engine (8)
  PARJANYA_WORKER_IDLE_AFTER_S             idle seconds before the instance is offered up (20)
  PARJANYA_WORKER_PACK                     the prompt pack (house-1)
  AWS_ENDPOINT_URL, AWS_REGION, ...        as boto3 reads them
  INSTANCE_ID, AUTO_SCALING_GROUP          who this is; without them IMDSv2 is asked

exit status:
  0   left as asked: SIGTERM, SIGINT, a Spot interruption or a scale-in; what was held is finished or returned
  2   the settings are wrong; the message says which
  3   the model folder or this machine was refused: the code is in the message, in Truth and in docs/boot.md;
      another start would end the same, so that systemd wants RestartPreventExitStatus=2 3
  70  a stage was overdue or the engine failed again and again: start the worker anew
"""

log = logging.getLogger("gpu_worker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m gpu_worker",
        description="Score the images that the intents queue names.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    headless = commands.add_parser("headless", help="drain the queue without Dagster until told to leave")
    headless.set_defaults(run=lambda _arguments: _headless())
    add_commands(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except BootFailedError as error:
        log.critical("worker_refused", extra={"failure": error.failure, "error": str(error)})
        return exit_status(error)
    except ConfigError as error:
        log.critical("worker_misconfigured", extra={"error": str(error)})
        return EXIT_MISCONFIGURED


def _headless() -> int:
    configure_logging()
    settings, own = load_settings(), load_worker_settings()
    member = member_from_environment(settings.region)
    instance_id = member.identity.instance_id
    configure_logging(instance_id=instance_id)
    departure = Departure(os.environ, member)

    def leave(number: int, _frame: FrameType | None) -> None:
        departure.request(signal.Signals(number).name)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    platform = platform_from(settings, plane="worker")
    hook = boot_hook_of(member, prefix=settings.prefix)
    vitals = Vitals(platform, instance_id=instance_id, template_version=template_version(member))
    with booting(hook, vitals):
        scorer = booted_scorer(settings.engine, own, machine=instance_id, witness=vitals)
    log.info("worker_started", extra={"engine": settings.engine, "pack": own.pack})
    run_headless(
        platform,
        scorer,
        own,
        member=member,
        instance_id=instance_id,
        vitals=vitals,
        service=GroupService(hook=hook, vitals=vitals, should_leave=departure.is_due),
        should_leave=departure.is_due,
    )
    log.info("worker_left", extra={"reason": departure.reason})
    return 0
