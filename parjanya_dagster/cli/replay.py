"""`parjanya replay`: score images again, in whole or in part, or only decide again."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

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
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.replay import Done, carry_out, preview_replay, tariff_of
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.reconcile.replay import EVERYTHING, Boundary
from parjanya_dagster.core.reconcile.replay_plan import ReplayPlan, Selection
from parjanya_dagster.core.truth.row import Lane, Status, Verdict

_STATUSES: Final = click.Choice(
    [Status.VLM_FAILED.value, Status.ENRICHED.value, Status.REJECTED_TECHNICAL.value]
)
_BOUNDARIES: Final = click.Choice(["all", "none", "validation"])
_VERDICTS: Final = click.Choice([verdict.value for verdict in Verdict])


@click.command()
@click.option("--tenant", "tenants", multiple=True, help="Whose images; may be repeated.")
@ID_OPTION
@click.option(
    "--status", "statuses", multiple=True, type=_STATUSES, help="Where they stand; anywhere if none."
)
@click.option("--policy", help="Decided under this version.")
@click.option("--fingerprint", help="Answered by this engine, pack and decode path.")
@click.option("--verdict", type=_VERDICTS, help="Decided so.")
@click.option("--failed", metavar="CODE", help="Ended in this failure, e.g. oom.")
@SINCE_OPTION
@UNTIL_OPTION
@click.option(
    "--boundary", type=_BOUNDARIES, help="All answers anew, none of them, or rejected files read again."
)
@click.option("--questions", help="Only these anew, e.g. sharpness,exposure.")
@LANE_OPTION
@click.option("--fleet", help="Score them on this fleet from now on; default is the usual one.")
@click.option("--limit", type=click.IntRange(1), help="At most so many images, a tenant's newest first.")
@PLAN_OPTION
@USD_PER_HOUR_OPTION
@YES_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def replay(*, plan_file: Path | None, yes: bool, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - any option
    """Score images again, or decide about them again.

    --boundary all asks every question anew. --questions a,b asks these anew and keeps the other answers
    where they still compare. --boundary none keeps all answers and decides again under the policy in force,
    without any GPU. --boundary validation reads files again that were rejected, e.g. by a decoder that has
    since been mended.

    --failed oom --fleet NAME sends what ran out of memory to a fleet of larger instances, all questions anew
    unless --boundary or --questions says otherwise. Images stay with a fleet until a replay names another.

    Without --yes it only says what would be touched and what that costs. With --plan FILE it leaves the
    exact list there; `--yes --plan FILE` carries out that list. Rows that changed meanwhile are skipped and
    named. Interrupt it at any time: run again, it goes on. docs/operations.md says when to use what.
    """
    platform = connect(load_home())
    wish = Wish(plan_file=plan_file, yes=yes, as_json=as_json)
    fleet = options.pop("fleet")
    tariff = tariff_of(platform, usd_per_hour=options.pop("usd_per_hour"), fleet=fleet)
    lane, limit = Lane(options.pop("lane")), options.pop("limit")
    preview = None
    if any(options.values()) or fleet:
        boundary, selection = _boundary(options, fleet=fleet), _selection(options)
        preview = partial(
            preview_replay,
            platform,
            selection,
            boundary,
            tariff=tariff,
            lane=lane,
            fleet=fleet,
            limit=limit,
        )
    elif plan_file is None or not yes:
        raise InvalidRequestError(
            "say which images, and --boundary all, none or validation, or --questions a,b"
        )
    conduct(platform, wish, action="replay", preview=preview, steps=_steps(platform))


def _steps(platform: Platform) -> Callable[[ReplayPlan, Done, Callable[[], bool]], Iterator[object]]:
    return lambda plan, done, may_go_on: carry_out(platform, plan, done=done, may_go_on=may_go_on)


def _boundary(options: dict[str, Any], *, fleet: str | None) -> Boundary:
    boundary, questions = options["boundary"], options["questions"]
    if boundary is None and questions is None and fleet:
        return EVERYTHING
    if (boundary is None) == (questions is None):
        raise InvalidRequestError("say how far back: --boundary all, none or validation, or --questions a,b")
    return Boundary.parsed(boundary or f"questions:{questions}")


def _selection(options: dict[str, Any]) -> Selection:
    verdict = options["verdict"]
    return Selection(
        keys=keys_of(options["image_ids"], options["tenants"]),
        tenants=options["tenants"],
        statuses=frozenset(Status(each) for each in options["statuses"]),
        policy_version=options["policy"],
        fingerprint=options["fingerprint"],
        verdict=Verdict(verdict) if verdict else None,
        failure=options["failed"],
        since=options["since"],
        until=options["until"],
    )
