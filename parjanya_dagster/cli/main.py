"""The `parjanya` command: one group whose commands are loaded when they are asked for."""

import errno
import importlib
import os
import signal
import sys
from typing import Final

import click

from parjanya_dagster.core.errors import ParjanyaError

_COMMANDS: Final = {
    "demo": "parjanya_dagster.cli.demo:demo",
    "down": "parjanya_dagster.cli.stack_commands:down",
    "images": "parjanya_dagster.cli.images:images",
    "inspect": "parjanya_dagster.cli.files:inspect",
    "score": "parjanya_dagster.cli.files:score",
    "status": "parjanya_dagster.cli.status:status",
    "tenant": "parjanya_dagster.cli.tenants:tenant",
    "token": "parjanya_dagster.cli.tenants:token",
    "up": "parjanya_dagster.cli.stack_commands:up",
    "upload": "parjanya_dagster.cli.upload:upload",
}
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
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101 - the table above names commands
        return command


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
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        click.secho(f"Error: {_DISK_FULL}", fg="red", err=True)
        sys.exit(1)


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
