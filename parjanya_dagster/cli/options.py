"""Options that mean the same wherever they appear, and the type of a time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from parjanya_dagster.core.truth.row import Lane


class Time(click.ParamType[datetime]):
    """A time as a person writes it, UTC unless it says otherwise; aware from here on."""

    name = "time"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time; anything else is a fault in the usage."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is not a time such as 2026-03-01T12:30", param, ctx)
        return at if at.tzinfo else at.replace(tzinfo=UTC)


TIME: Final = Time()
ENGINE_OPTION: Final = click.option(
    "--engine", default="cpu", show_default=True, help="Who answers the questions."
)
MODEL_OPTION: Final = click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the engine's checkpoint; PARJANYA_WORKER_MODEL if none.",
)
DEVICE_OPTION: Final = click.option(
    "--device", help="Where it computes: auto, cpu, cuda:0; PARJANYA_WORKER_DEVICE if none."
)
PACK_OPTION: Final = click.option("--pack", help="Prompt pack that is asked; PARJANYA_WORKER_PACK if none.")
YES_OPTION: Final = click.option(
    "--yes", is_flag=True, help="Carry it out; without, only say what would be touched."
)
ID_OPTION: Final = click.option(
    "--id", "image_ids", multiple=True, help="tenant#image, or an image of the one --tenant."
)
SINCE_OPTION: Final = click.option(
    "--since", type=TIME, help="Uploaded then or later, e.g. 2026-03-01T12:30 (UTC)."
)
UNTIL_OPTION: Final = click.option("--until", type=TIME, help="Uploaded before then.")
LANE_OPTION: Final = click.option(
    "--lane",
    type=click.Choice([lane.value for lane in Lane]),
    default=Lane.REGRADE.value,
    show_default=True,
    help="Fresh goes first.",
)
PLAN_OPTION: Final = click.option(
    "--plan",
    "plan_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the plan to this file; with --yes, carry out the plan in it.",
)
USD_PER_HOUR_OPTION: Final = click.option(
    "--usd-per-hour", type=click.FloatRange(0), help="Price of one instance; from the settings if none."
)
