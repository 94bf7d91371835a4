"""`parjanya redrive`: put back what infrastructure failed, at a steady pace."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.options import (
    ID_OPTION,
    LANE_OPTION,
    PLAN_OPTION,
    SINCE_OPTION,
    UNTIL_OPTION,
    USD_PER_HOUR_OPTION,
    YES_OPTION,
)
from parjanya_dagster.cli.plans import Wish, conduct, keys_of
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.control.dead_letters import acknowledge, open_dead_letters
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.redrive import Throttle, preview_redrive
from parjanya_dagster.control.redrive import redrive as redriven
from parjanya_dagster.control.replay import Done, Preview, tariff_of
from parjanya_dagster.control.trail import recorded
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.reconcile.dead_letters import document_of
from parjanya_dagster.core.reconcile.replay_plan import ReplayPlan, Selection
from parjanya_dagster.core.reconcile.wording import counted
from parjanya_dagster.core.truth.row import Lane


@click.command()
@click.option(
    "--tenant", "tenants", multiple=True, help="Whose images; may be repeated. Everybody's if none."
)
@ID_OPTION
@SINCE_OPTION
@UNTIL_OPTION
@click.option("--include-poison", is_flag=True, help="Images with evidence against themselves, too.")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), default=60, show_default=True, help="Images a minute."
)
@LANE_OPTION
@click.option("--limit", type=click.IntRange(1), help="At most so many images.")
@PLAN_OPTION
@USD_PER_HOUR_OPTION
@click.option(
    "--list", "only_list", is_flag=True, help="Only list the open dead letters, with their evidence."
)
@click.option("--acknowledge", "record_ids", multiple=True, help="Only note that this letter was seen.")
@YES_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def redrive(*, only_list: bool, record_ids: tuple[str, ...], as_json: bool, **options: Any) -> None:  # noqa: ANN401 - any option
    """Put back what infrastructure failed: dead letters, failed and quarantined rows.

    Each goes back to be scored whole, at most --rate a minute, and its dead letter is acknowledged. Images
    that failed by themselves are left out unless --include-poison.

    Without --yes it only says what would be touched and what that costs. With --plan FILE it leaves the
    exact list there; `--yes --plan FILE` carries out that list. Interrupt it at any time: run again, it goes
    on. docs/operations.md says when to use what.
    """
    platform = connect(load_home())
    if only_list:
        _list(platform, as_json=as_json)
    elif record_ids:
        _acknowledge(platform, record_ids)
    else:
        _redrive(platform, as_json=as_json, **options)


def _redrive(
    platform: Platform,
    *,
    plan_file: Path | None,
    yes: bool,
    as_json: bool,
    rate: float,
    **options: Any,  # noqa: ANN401 - any option
) -> None:
    def steps(plan: ReplayPlan, done: Done, may_go_on: Callable[[], bool]) -> Iterator[object]:
        pace = Throttle(rate, clock=platform.clock, sleep=time.sleep, may_go_on=may_go_on)
        return redriven(platform, plan, done=done, who=who_asks(), may_go_on=pace)

    wish = Wish(plan_file=plan_file, yes=yes, as_json=as_json)
    is_reviewed = yes and plan_file is not None
    chosen = ("tenants", "image_ids", "since", "until", "include_poison", "limit")
    if is_reviewed and any(options[name] for name in chosen):
        raise InvalidRequestError("a plan names its images itself: select none beside --yes --plan FILE")
    preview = None if is_reviewed else partial(_preview, platform, options)
    conduct(platform, wish, action="redrive", preview=preview, steps=steps)


def _preview(platform: Platform, options: dict[str, Any]) -> Preview:
    return preview_redrive(
        platform,
        Selection(
            keys=keys_of(options["image_ids"], options["tenants"]),
            tenants=options["tenants"],
            since=options["since"],
            until=options["until"],
        ),
        tariff=tariff_of(platform, usd_per_hour=options["usd_per_hour"]),
        include_poison=options["include_poison"],
        lane=Lane(options["lane"]),
        limit=options["limit"],
    )


def _list(platform: Platform, *, as_json: bool) -> None:
    letters = open_dead_letters(platform)
    if as_json:
        click.echo(json.dumps([{"id": each.record_id, **document_of(each)} for each in letters]))
        return
    for each in letters:
        about = each.image or "a message that is no job"
        click.echo(f"{each.record_id}  {each.ruling.value}  {about}\n  {each.evidence}")
    click.echo(f"{counted(len(letters), 'open dead letter')}.")


def _acknowledge(platform: Platform, record_ids: tuple[str, ...]) -> None:
    who = who_asks()
    with recorded(platform, who, f"acknowledge {', '.join(record_ids)}") as recording:
        for at, record_id in enumerate(record_ids, start=1):
            seen = acknowledge(platform, record_id, who)
            recording.after["acknowledged"] = at
            click.echo(f"{record_id}: acknowledged by {seen.acknowledged_by}")
