"""The `parjanya` command: one group whose commands are loaded when they are asked for."""

import errno
import importlib
import os
import signal
import sys
from typing import Final

import click

from parjanya_dagster.cli.exits import FAILED
from parjanya_dagster.core.errors import ParjanyaError

_COMMANDS: Final = {
    "adopt": ("parjanya_dagster.cli.adopt", "Build image rows from an existing bucket or table."),
    "audit": ("parjanya_dagster.cli.audit", "Compare what is stored with what is recorded, both ways."),
    "calibrate": ("parjanya_dagster.cli.calibrate", "Find out what an engine's answers are worth."),
    "capacity": ("parjanya_dagster.cli.capacity", "Say how many instances, what each choice costs, and why."),
    "demo": ("parjanya_dagster.cli.demo", "Start everything, send photos through it, show the verdicts."),
    "diagnose": ("parjanya_dagster.cli.diagnose", "Say what is wrong, since when, and how to put it right."),
    "down": ("parjanya_dagster.cli.stack_commands", "Stop everything on this machine; state is kept."),
    "images": ("parjanya_dagster.cli.images", "List a tenant's images with their verdicts; erase images."),
    "inspect": ("parjanya_dagster.cli.files", "Say what files are: format, size, EXIF, decodable or not."),
    "reconcile": ("parjanya_dagster.cli.reconcile", "Compare what is with what should be, and repair it."),
    "redrive": ("parjanya_dagster.cli.redrive", "Put back what infrastructure failed, at a steady pace."),
    "replay": ("parjanya_dagster.cli.replay", "Score images again, in whole or in part, or decide again."),
    "score": ("parjanya_dagster.cli.files", "Say how files would be judged, with nothing running."),
    "simulate": ("parjanya_dagster.cli.simulate", "Run the product where everything fails; forecast cost."),
    "status": ("parjanya_dagster.cli.status", "Show processes, images by status, queues, fleet, heartbeats."),
    "tenant": ("parjanya_dagster.cli.tenants", "Add, list and remove tenants."),
    "token": ("parjanya_dagster.cli.tenants", "Issue API tokens."),
    "trail": ("parjanya_dagster.cli.trail", "List who changed what, newest first."),
    "up": ("parjanya_dagster.cli.stack_commands", "Start everything on this machine."),
    "upload": ("parjanya_dagster.cli.upload", "Upload files and folders to a tenant."),
    "why": ("parjanya_dagster.cli.why", "Say who has to act next on an image or a tenant, and until when."),
}
"""Command → module that holds it under the same name, and its line in the overview."""

_DISK_FULL: Final = (
    "no space is left on the disk: free some and repeat the command, or keep the state on another disk "
    "with PARJANYA_HOME=/path"
)


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name, sorted."""
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, or None."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - the table above names commands
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview without importing any command."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in sorted(_COMMANDS.items())])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="parjanya-dagster", prog_name="parjanya")
def parjanya() -> None:
    """Photos in, verdicts out.

    On a laptop: `parjanya up` starts everything without a cloud account, `parjanya upload DIR --tenant T`
    sends photos through it, `parjanya images --tenant T` shows what was decided, `parjanya down` stops it.
    `parjanya demo` does all of that with sample photos.

    `inspect` and `score` look at files directly, with nothing running.
    """


def main() -> None:
    """Run the command line; errors meant for a person are printed, not traced."""
    # Ended like a Ctrl-C, so that whatever a command has started is stopped in order.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["NO_PROXY"] = ",".join(filter(None, (os.environ.get("NO_PROXY"), "127.0.0.1", "localhost")))
    try:
        parjanya()
    except ParjanyaError as error:
        click.secho(f"Error: {error}", fg="red", err=True)
        sys.exit(FAILED)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        click.secho(f"Error: {_DISK_FULL}", fg="red", err=True)
        sys.exit(FAILED)


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
