"""`parjanya inspect` and `parjanya score`: look at files directly, with nothing running."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.markup import escape
from rich.table import Table

from gpu_worker.score import warm_scorer
from parjanya_dagster.cli.exits import INCOMPLETE
from parjanya_dagster.cli.inspect import inspect_paths
from parjanya_dagster.cli.score import packaged_policy, score_paths
from parjanya_dagster.cli.tables import console_for_tables
from parjanya_dagster.core.truth.technical import TechnicalReason
from parjanya_dagster.imaging.decoder import Decoder

Record = dict[str, Any]

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
@click.option("--engine", default="cpu", show_default=True, help="Who answers the questions.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line and file, in order.")
def score(*, paths: tuple[Path, ...], engine: str, as_json: bool) -> None:
    """Say how each file would be judged: answers, scores, verdict and reasons.

    Takes the worker's own path under the policy that came with the package; nothing needs to run, nothing
    is stored. Status and folders are as with `inspect`.
    """
    scorer, policy = warm_scorer(engine), packaged_policy()
    with Decoder() as decoder:
        _report(score_paths(_files(paths), decoder, scorer, policy), as_json=as_json, tabulate=_score_table)


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
