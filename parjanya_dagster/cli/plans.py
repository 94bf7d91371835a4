"""What `replay` and `redrive` share: plans in files, stopping on Ctrl-C, and telling what is done."""

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self

import click
from rich.console import Console
from rich.markup import escape

from parjanya_dagster.cli.exits import STOPPED
from parjanya_dagster.cli.tables import words_of_counts
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.replay import Done, Preview
from parjanya_dagster.control.trail import recorded
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.reconcile.replay_plan import ReplayPlan
from parjanya_dagster.core.reconcile.wording import counted
from parjanya_dagster.core.truth.identity import ImageKey, image_key_from
from parjanya_dagster.core.truth.trail import INTERRUPTED

_SHOWN: Final = 10
_SECONDS_PER_HOUR: Final = 3600
_COUNTS: Final = ("by_tenant", "by_status", "by_reason", "verdicts", "left_out")


class Stop:
    """Ctrl-C as a wish: the row at hand is finished; a second one ends the process at once."""

    def __init__(self) -> None:
        self.is_wanted = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._wish)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def may_go_on(self) -> bool:
        """Whether nobody asked to stop."""
        return not self.is_wanted

    def _wish(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.is_wanted:
            raise KeyboardInterrupt
        self.is_wanted = True
        click.echo("Stopping after the row at hand; once more to stop at once.", err=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a command was asked to proceed.

    Args:
        plan_file: a preview leaves its plan there; with `yes`, that plan is carried out.
        yes: carry out, instead of only saying what would be touched.
    """

    plan_file: Path | None
    yes: bool
    as_json: bool


def conduct(
    platform: Platform,
    wish: Wish,
    *,
    action: str,
    preview: Callable[[], Preview] | None,
    steps: Callable[[ReplayPlan, Done, Callable[[], bool]], Iterator[object]],
) -> None:
    """Preview a plan, or carry it out with its entry in the audit trail, and say what was done.

    Args:
        preview: None where the plan must come from the file.
        steps: carries a plan out, some rows per step, asking before each row whether it may go on.

    Raises:
        InvalidRequestError: there is no such plan, or images were selected beside it.
        SystemExit: it was stopped.
    """
    is_reviewed = wish.yes and wish.plan_file is not None
    if is_reviewed != (preview is None):
        raise InvalidRequestError("a plan names its images itself: --yes --plan FILE takes nothing beside it")
    shown = preview() if preview else None
    plan = shown.plan if shown else read_plan(wish.plan_file or Path(), action=action)
    if shown and wish.plan_file:
        write_plan(wish.plan_file, shown)
    if shown and not (wish.as_json and wish.yes):
        show_preview(shown, wish)
    if wish.yes:
        done = Done()
        try:
            _carry_out(platform, plan, done, steps)
        finally:
            show_done(done, plan, as_json=wish.as_json)
        if done.was_stopped:
            raise SystemExit(STOPPED)


def _carry_out(
    platform: Platform,
    plan: ReplayPlan,
    done: Done,
    steps: Callable[[ReplayPlan, Done, Callable[[], bool]], Iterator[object]],
) -> None:
    before = Counter(entry.status.value for entry in plan.entries)
    words = f"{plan.action} --boundary {plan.boundary} --lane {plan.lane}"
    words += f" --fleet {plan.fleet}" if plan.fleet else ""
    with (
        Stop() as stop,
        recorded(platform, who_asks(), words, plan_digest=plan.digest, before=before) as recording,
    ):
        for _ in steps(plan, done, stop.may_go_on):
            recording.after = done.counts()
            recording.save()
        recording.after = done.counts()
        if done.was_stopped:
            recording.outcome = INTERRUPTED


def write_plan(path: Path, preview: Preview) -> None:
    """Keep a plan with its preview in a file, for review."""
    document = preview.plan.to_document() | {"preview": preview_document(preview)}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_plan(path: Path, *, action: str) -> ReplayPlan:
    """Return the plan in a file.

    Raises:
        InvalidRequestError: there is none, it was edited, or it is for another command.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidRequestError(
            f"there is no plan {path}: run the command without --yes first, and review it"
        ) from error
    except ValueError as error:
        raise InvalidRequestError(f"{path} is not a plan: {error}") from error
    plan = ReplayPlan.from_document(document)
    if plan.action != action:
        raise InvalidRequestError(f"{path} is the plan of a {plan.action}, not of a {action}")
    return plan


def keys_of(image_ids: tuple[str, ...], tenants: tuple[str, ...]) -> tuple[ImageKey, ...]:
    """Return the images named as `tenant#image`, or by their ids alone where one tenant is given.

    Raises:
        InvalidRequestError: it is not said whose image an id is.
    """
    whole = [each for each in image_ids if "#" in each]
    bare = [each for each in image_ids if "#" not in each]
    if bare and len(tenants) != 1:
        raise InvalidRequestError(f"whose image is {bare[0]}? Write tenant#{bare[0]}, or give one --tenant")
    return (
        *(image_key_from(each) for each in whole),
        *(ImageKey(tenant_id=tenants[0], image_id=each) for each in bare),
    )


def preview_document(preview: Preview) -> dict[str, Any]:
    """Return a preview as plain values."""
    return {
        "action": preview.plan.action,
        "boundary": str(preview.plan.boundary),
        "lane": preview.plan.lane.value,
        "fleet": preview.plan.fleet,
        "digest": preview.plan.digest,
        "rows": len(preview.plan.entries),
        "letters": len(preview.plan.letters),
        "by_tenant": dict(preview.by_tenant),
        "by_status": dict(preview.by_status),
        "by_reason": dict(preview.by_reason),
        "verdicts": dict(preview.verdicts),
        "left_out": {reason.value: count for reason, count in preview.left_out.items()},
        "samples": [str(key) for key in preview.samples],
        **asdict(preview.price),
    }


def show_preview(preview: Preview, wish: Wish) -> None:
    """Say what will be touched, what it costs, what is left alone, and how to go on."""
    document = preview_document(preview)
    if wish.as_json:
        click.echo(json.dumps(document))
        return
    seconds = preview.price.gpu_hours * _SECONDS_PER_HOUR
    facts = [(name.replace("_", " "), _most_first(document[name])) for name in _COUNTS]
    facts += [
        ("dead letters", f"{len(preview.plan.letters)} are acknowledged" if preview.plan.letters else "")
    ]
    facts += [("" if at else "samples", sample) for at, sample in enumerate(document["samples"])]
    facts += [
        ("costs", f"{seconds:,.1f} GPU seconds, ${preview.price.usd:,.4f}"),
        ("plan", document["digest"]),
    ]
    console = Console(highlight=False)
    told = counted(document["rows"], "image")
    to = f", fleet [bold]{document['fleet']}[/]" if document["fleet"] else ""
    console.print(f"[bold]{told}[/], boundary [bold]{document['boundary']}[/]{to}")
    for name, words in facts:
        if words:
            console.print(f"  [dim]{name:<13}[/]{escape(words)}", soft_wrap=True)
    if not preview.plan.entries and not preview.plan.letters:
        console.print("There is nothing to carry out.")
    elif not wish.yes:
        again = f"--yes --plan {wish.plan_file}" if wish.plan_file else "the same options and --yes"
        console.print(f"Nothing was touched. Carry it out with {again}.", soft_wrap=True)


def _most_first(counts: dict[str, int]) -> str:
    return words_of_counts(dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))


def show_done(done: Done, plan: ReplayPlan, *, as_json: bool) -> None:
    """Say what was done, what was left alone and why, and what is untouched."""
    untouched = len(plan.entries) - done.moved - len(done.skipped)
    if as_json:
        skipped = {str(key): reason.value for key, reason in done.skipped.items()}
        told = {"digest": plan.digest, "replayed": done.moved, "skipped": skipped, "untouched": untouched}
        click.echo(json.dumps(told | {"stopped": done.was_stopped}))
        return
    click.echo(f"{done.moved} replayed, {len(done.skipped)} skipped, {untouched} untouched.")
    for key, reason in list(done.skipped.items())[:_SHOWN]:
        click.echo(f"  skipped {key}: {reason.value.replace('_', ' ')}")
    if len(done.skipped) > _SHOWN:
        click.echo(f"  and {len(done.skipped) - _SHOWN} more; --json lists them")
    if untouched:
        click.echo("Run the same command again to go on.")
