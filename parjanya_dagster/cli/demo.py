"""`parjanya demo`: photos in, verdicts out, on this machine, from nothing."""

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.exits import FAILED, STOPPED
from parjanya_dagster.cli.home import Home, load_home
from parjanya_dagster.cli.laptop import Endpoints, bring_up, sign_in_url, take_down
from parjanya_dagster.cli.photos import find_photos
from parjanya_dagster.cli.proof import await_proof
from parjanya_dagster.cli.runs import await_runs
from parjanya_dagster.cli.sending import Upload, UploadApi, send_all
from parjanya_dagster.cli.status import process_rows
from parjanya_dagster.cli.tables import console_for_tables, table_of
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.cli.upload import laptop_token
from parjanya_dagster.cli.waiting import await_verdicts, diagnosis_of
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.trail import recorded
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.local.samples import write_samples
from parjanya_dagster.web.drawers import Drawers
from parjanya_dagster.web.views import view_of

TENANT: Final = "demo"
_BASE_DEADLINE_S: Final = 180.0
_DEADLINE_PER_PHOTO_S: Final = 2.0
_RUNS_END_WITHIN_S: Final = 60.0
_LINE_EVERY_S: Final = 2.0


def say_stage(what: str, took_s: float) -> None:
    """Print a stage and the seconds it took, as measured."""
    click.echo(f"  {what:<26}{took_s:6.1f} s")


@click.command()
@click.option(
    "--photos",
    type=click.Path(path_type=Path, exists=True),
    help="A folder of images, recursively; by default samples that are generated.",
)
@click.option(
    "--exit", "ends", is_flag=True, help="Stop everything at the end; status 0 only if all went well."
)
@click.option("--no-dagster", is_flag=True, help="Leave Dagster out: workers drain the queue headless.")
@click.option("--deadline", "deadline_s", type=float, help="Seconds to wait for verdicts.")
def demo(*, photos: Path | None, ends: bool, no_dagster: bool, deadline_s: float | None) -> None:
    """Start everything, send photos through it, and show the verdicts.

    Stays up until Ctrl-C, which stops everything; `--exit` stops by itself. Interrupting it at any time
    leaves nothing running, and repeating it is safe.
    """
    home = load_home()
    paths = find_photos([photos]) if photos else None
    status = FAILED
    try:
        faults = _run(home, paths, with_dagster=not no_dagster, deadline_s=deadline_s)
        status = FAILED if faults else 0
        for fault in faults:
            click.secho(f"FAULT  {fault}", fg="red")
        if not ends:
            click.echo("\nEverything stays up; Ctrl-C stops it.")
            while True:
                signal.pause()
    except KeyboardInterrupt:
        # staying up ends by Ctrl-C and by nothing else: that is no failure
        status = STOPPED if ends or status else 0
        click.echo("\nInterrupted.", err=True)
    finally:
        # a second Ctrl-C must not leave half of it running
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        click.echo("Stopping everything…", err=True)
        take_down(home)
    raise SystemExit(status)


def _run(home: Home, paths: list[Path] | None, *, with_dagster: bool, deadline_s: float | None) -> list[str]:
    """Do the whole demo and return its faults."""
    started = time.monotonic()
    click.echo("Starting")
    where = bring_up(home, with_dagster=with_dagster, progress=say_stage)
    platform = connect(home)
    with recorded(platform, who_asks(), f"demo: tenant add {TENANT}"):
        add_tenant(platform, TENANT)
    if paths is None:
        began = time.monotonic()
        paths = write_samples(home.path / "samples")
        say_stage(f"{len(paths)} sample photos", time.monotonic() - began)
    began, began_at = time.monotonic(), time.time()
    secret = laptop_token(home, TENANT)
    uploads = _upload(UploadApi(url=where.web, tenant_id=TENANT, secret=secret), paths)
    say_stage(f"{len(paths)} uploads", time.monotonic() - began)
    keys = [ImageKey(tenant_id=TENANT, image_id=each.image_id) for each in uploads if each.image_id]
    deadline_s = deadline_s or _BASE_DEADLINE_S + _DEADLINE_PER_PHOTO_S * len(keys)
    rows = _wait(platform, keys, deadline_s=deadline_s)
    say_stage("verdicts, since upload", time.monotonic() - began)
    say_stage("start to last verdict", time.monotonic() - started)
    _show(platform, rows, uploads)
    faults = [f"{each.path}: {each.problem}" for each in uploads if each.problem not in {None, "empty"}]
    if stuck := diagnosis_of(platform, rows):
        faults += [f"not every photo has a verdict after {deadline_s:.0f} s", *stuck]
    else:
        faults += await_proof(platform, rows, with_dagster=with_dagster)
    if where.dagster:
        faults += await_runs(where.dagster, since=began_at, deadline_s=_RUNS_END_WITHIN_S)
    memory_mib = sum(each["memory_mib"] or 0 for each in process_rows(home))
    click.echo(f"Memory of all processes: {memory_mib} MiB")
    _say_where(where, secret)
    return faults


def _upload(api: UploadApi, paths: list[Path]) -> list[Upload]:
    """Upload all of them anew: a demo that finds its photos judged already would show nothing."""
    uploads = []
    for each in send_all(api, paths, journal=None):
        uploads.append(each)
        if each.problem:
            click.secho(f"  {each.path}: {each.problem}", fg="red", err=True)
    return uploads


def _wait(platform: Platform, keys: list[ImageKey], *, deadline_s: float) -> list[ImageRow]:
    """Wait with a bar on a terminal, with a line per change elsewhere."""
    console = Console()
    columns = (
        TextColumn("  Verdicts"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.description}"),
    )
    said_at, said = 0.0, ""
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("", total=len(keys))

        def show(counts: Counter[Status]) -> None:
            nonlocal said_at, said
            words = ", ".join(
                f"{count} {status.replace('_', ' ')}" for status, count in sorted(counts.items())
            )
            settled = sum(count for status, count in counts.items() if status.is_settled)
            progress.update(bar, completed=settled, description=words)
            is_news = words != said and (settled == len(keys) or time.monotonic() - said_at > _LINE_EVERY_S)
            if not console.is_terminal and is_news:
                said_at, said = time.monotonic(), words
                click.echo(f"  {settled}/{len(keys)} settled: {words}")

        return await_verdicts(platform, keys, deadline_s=deadline_s, on_reading=show)


def _show(platform: Platform, rows: list[ImageRow], uploads: list[Upload]) -> None:
    drawers = Drawers(platform.images)
    views = [view_of(row, drawers.of(row)) for row in rows]
    console = console_for_tables()
    console.print()
    console.print(table_of(views, width=console.width))
    for each in uploads:
        if each.problem:
            console.print(f"{each.path.name}: not uploaded, {each.problem}", markup=False)
    verdicts = Counter(view.show for view in views)
    console.print(f"\n{len(rows)} photos: {', '.join(f'{count} {name}' for name, count in verdicts.items())}")
    by = Counter((row.scored_by or "").partition(":")[0] for row in rows if row.scored_by)
    console.print(f"Scored by: {', '.join(f'{name} {count}' for name, count in by.items()) or 'nobody'}")


def _say_where(where: Endpoints, secret: str) -> None:
    click.echo(f"\nWeb app   {sign_in_url(where.web, secret)}")
    if where.dagster:
        click.echo(f"Dagster   {where.dagster}")
