"""`parjanya inspect` and `parjanya score`: look at files directly, with nothing running."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gpu_worker.engines.engine import EngineOptions
from gpu_worker.score import warm_scorer
from gpu_worker.settings import load_worker_settings
from parjanya_dagster.cli.exits import INCOMPLETE
from parjanya_dagster.cli.inspect import inspect_paths
from parjanya_dagster.cli.options import DEVICE_OPTION, ENGINE_OPTION, MODEL_OPTION, PACK_OPTION
from parjanya_dagster.cli.score import packaged_policy, score_paths
from parjanya_dagster.cli.tables import console_for_tables
from parjanya_dagster.core.truth.technical import TechnicalReason
from parjanya_dagster.imaging.decoder import Decoder

Record = dict[str, Any]

_BATCHES_AHEAD: Final = 4
"""Micro-batches of files that are read before the engine is asked: images of one size then meet."""

_VERDICT_COLOURS: Final = {"accept": "green", "review": "yellow", "reject": "red"}


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line and file, in order.")
def inspect(*, paths: tuple[Path, ...], as_json: bool) -> None:
    """Say what each file is: format, size, EXIF, and whether it decodes.

    Files are read in a child process that can be lost; however bad they are, the status is 0. A path that
    does not exist is reported like any other and makes the status 2. Folders stand for all files in them.
    """
    with Decoder() as decoder:
        _report(inspect_paths(_files(paths), decoder), as_json=as_json, tabulate=_inspection_table)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@ENGINE_OPTION
@MODEL_OPTION
@DEVICE_OPTION
@PACK_OPTION
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line and file, in order.")
def score(
    *,
    paths: tuple[Path, ...],
    engine: str,
    model: Path | None,
    device: str | None,
    pack: str | None,
    as_json: bool,
) -> None:
    """Say how each file would be judged: answers, scores, verdict and reasons.

    Takes the worker's own path under the policy that came with the package for the prompt pack; nothing needs
    to run, nothing is stored. Status and folders are as with `inspect`.

    \b
    parjanya score --engine qwen3_vl --model DIR --pack photo-1 PHOTOS
    """  # noqa: D301 - click reads \b
    files = list(_files(paths))
    options = engine_options(model, device, images=len(files))
    scorer = warm_scorer(engine, pack_id=pack, options=options)
    policy = packaged_policy(scorer.pack.id)
    with Decoder() as decoder:
        records = score_paths(files, decoder, scorer, policy, at_once=_BATCHES_AHEAD * options.micro_batch)
        _report(_watched(records, len(files)), as_json=as_json, tabulate=_score_table)


def _watched(records: Iterator[Record], total: int) -> Iterator[Record]:
    """Yield the records; whoever sits at a terminal sees how far they are."""
    console = Console(stderr=True)
    columns = (TextColumn("Scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("", total=total)
        for record in records:
            yield record
            progress.advance(bar)


def engine_options(model: Path | None, device: str | None, *, images: int) -> EngineOptions:
    """Return the engine's options; a few images don't wait for a batch that is filled up with copies."""
    own = load_worker_settings().engine_options
    return EngineOptions(
        model=model or own.model,
        device=device or own.device,
        micro_batch=max(1, min(own.micro_batch, images)),
    )


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (each for each in sorted(path.rglob("*")) if each.is_file())
        else:
            yield path


def _report(records: Iterator[Record], *, as_json: bool, tabulate: Callable[[list[Record]], Table]) -> None:
    seen: list[Record] = []
    for record in records:
        seen.append(record)
        if as_json:
            click.echo(json.dumps(record))
    if not as_json:
        console_for_tables().print(tabulate(seen))
    if any(TechnicalReason.NOT_FOUND in record["reasons"] for record in seen):
        raise SystemExit(INCOMPLETE)


def _inspection_table(records: list[Record]) -> Table:
    table = _table("file", "format", "size", "camera", "taken", "exposure", "valid")
    for record in records:
        exif = record["exif"]
        size = f"{record['width']}x{record['height']}" if record["width"] else ""
        camera = " ".join(filter(None, (exif["make"], exif["model"])))
        valid = "[green]yes[/]" if record["valid"] else f"[red]{', '.join(record['reasons'])}[/]"
        cells = (record["path"], record["format"] or "", size, camera, exif["datetime_original"] or "")
        table.add_row(*map(escape, cells), _exposure(exif), valid)
    return table


def _exposure(exif: Record) -> str:
    time_s, fnumber, iso = exif["exposure_time_s"], exif["fnumber"], exif["iso"]
    parts = (
        (f"1/{1 / time_s:.0f} s" if time_s < 1 else f"{time_s:g} s") if time_s else "",
        f"f/{fnumber:g}" if fnumber else "",
        f"ISO {iso}" if iso else "",
    )
    return " ".join(filter(None, parts))


def _score_table(records: list[Record]) -> Table:
    table = _table("file", "verdict", "reasons", "scores")
    for record in records:
        verdict = record["verdict"]
        scores = "  ".join(
            f"{name.replace('_', '-')} {value:.2f}" for name, value in record["scores"].items()
        )
        reasons = ", ".join(record["reason_codes"])
        table.add_row(escape(record["path"]), f"[{_VERDICT_COLOURS[verdict]}]{verdict}[/]", reasons, scores)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
