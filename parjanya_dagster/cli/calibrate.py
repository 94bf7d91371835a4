"""`parjanya calibrate`: find out what an engine's answers are worth, from images with labels and without.

It takes the worker's own path from pixels to answers. What it writes is named by a policy; by itself it
changes nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gpu_worker.calibration.blanks import BLANK_IMAGES, blank_images
from gpu_worker.calibration.fit import ENOUGH_LABELS, Identity, Labelled, fit_calibration
from gpu_worker.calibration.labels import LabelledPath, read_labels
from gpu_worker.fetch import Scorable, scorable
from gpu_worker.interview import Interview
from gpu_worker.score import Scorer, warm_scorer
from parjanya_dagster.cli.files import engine_options
from parjanya_dagster.cli.inspect import read_path
from parjanya_dagster.cli.options import DEVICE_OPTION, ENGINE_OPTION, MODEL_OPTION, PACK_OPTION
from parjanya_dagster.cli.tables import console_for_tables
from parjanya_dagster.core.policy.calibration import Calibration, Fit, QuestionCalibration
from parjanya_dagster.core.truth.answers import Answers
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reading import Ingested, Rejected

_FILE_NAME: Final = re.compile(r"([a-z][a-z0-9-]{0,49})-([1-9][0-9]{0,5})\.json")
_AT_ONCE: Final = 16


@click.command()
@click.argument("images", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="NAME-VERSION.json; a calibration never changes, so the file must not exist.",
)
@click.option(
    "--labels",
    "labels_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV: a column 'path', relative to IMAGES, and one per question; see below.",
)
@click.option("--prior-only", is_flag=True, help="Correct the engine's habits alone; takes no images.")
@click.option(
    "--no-prior",
    is_flag=True,
    help="Don't ask about blank images, nor correct for it: for engine cpu, which measures them rightly.",
)
@ENGINE_OPTION
@MODEL_OPTION
@DEVICE_OPTION
@PACK_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print what was found as one JSON object.")
def calibrate(
    *,
    images: Path | None,
    output: Path,
    labels_file: Path | None,
    prior_only: bool,
    no_prior: bool,
    engine: str,
    model: Path | None,
    device: str | None,
    pack: str | None,
    as_json: bool,
) -> None:
    """Fit a calibration: what an engine's answers to a prompt pack are worth.

    \b
    parjanya calibrate --engine qwen3_vl --model DIR --pack photo-1 --prior-only -o photo-qwen-1.json
    parjanya calibrate --engine cpu --no-prior --labels labels.csv IMAGES -o street-1.json

    \b
    labels.csv:  path,photograph,overall_quality
                 harbour.jpg,yes,0.75
                 logo.png,no,
                 gate.jpg,yes,good

    Yes or no for yes/no questions; a rating word, or a number from 0 to 1 such as the mean of several
    people's, for the others. Each question needs 30 labels; 200 or more are recommended, of images like those
    that will be judged. What a map brings is measured on images that it was not fitted on.

    A policy names the result as `calibration = "NAME-VERSION"`. It holds for this pack, engine, weights and
    kind of machine only.
    """  # noqa: D301 - click reads \b
    name, version = _name_of(output)
    _require_one_way(images, labels_file, prior_only=prior_only, no_prior=no_prior)
    scorer = warm_scorer(engine, pack_id=pack, options=engine_options(model, device, images=BLANK_IMAGES))
    labelled = read_labels(labels_file, images, scorer.pack) if labels_file and images else ()
    with Decoder() as decoder:
        blanks: list[Answers] = []
        if not no_prior:
            blanks.extend(_answers(scorer, _blanks(decoder), "blank images", BLANK_IMAGES))
        seen, skipped = _read_all(scorer, decoder, labelled)
    identity = Identity(
        name=name,
        version=version,
        created=datetime.now(tz=UTC).replace(microsecond=0),
        engine=scorer.engine.name,
        fingerprint=scorer.engine.fingerprint(scorer.pack),
    )
    found = fit_calibration(identity, scorer.pack, blanks=blanks, labelled=seen)
    with output.open("x", encoding="utf-8") as file:
        file.write(found.model_dump_json(indent=1) + "\n")
    _report(found, output, skipped, as_json=as_json)


def _name_of(output: Path) -> tuple[str, int]:
    matched = _FILE_NAME.fullmatch(output.name)
    if matched is None:
        raise click.BadParameter(f"'{output.name}' is not NAME-VERSION.json, such as street-1.json")
    if output.exists():
        raise click.BadParameter(f"{output} exists, and a calibration never changes: take the next version")
    if not output.parent.is_dir():
        raise click.BadParameter(f"there is no folder {output.parent}")
    return matched[1], int(matched[2])


def _require_one_way(
    images: Path | None, labels_file: Path | None, *, prior_only: bool, no_prior: bool
) -> None:
    if prior_only and (images or labels_file or no_prior):
        raise click.UsageError("--prior-only takes neither images nor labels, and no --no-prior")
    if not prior_only and not (images and labels_file):
        raise click.UsageError("give --labels FILE and the folder IMAGES, or --prior-only")


def _blanks(decoder: Decoder) -> Iterator[Scorable]:
    for file in blank_images():
        reading = decoder.read(file)
        assert isinstance(reading, Ingested)  # noqa: S101 - they are ours
        yield _scorable(reading)


def _read_all(
    scorer: Scorer, decoder: Decoder, labelled: Iterable[LabelledPath]
) -> tuple[list[Labelled], dict[str, str]]:
    """Return answers and labels, and path → why it was left out."""
    readings = {each.path: each for each in labelled}
    skipped: dict[str, str] = {}
    kept: list[LabelledPath] = []

    def readable() -> Iterator[Scorable]:
        for each in readings.values():
            reading = read_path(each.path, decoder)
            if isinstance(reading, Rejected):
                skipped[str(each.path)] = ", ".join(reading.reasons)
                continue
            kept.append(each)
            yield _scorable(reading)

    answers = list(_answers(scorer, readable(), "labelled images", len(readings)))
    pairs = zip(kept, answers, strict=True)
    return [Labelled(answers=each, labels=dict(path.labels)) for path, each in pairs], skipped


def _scorable(reading: Ingested) -> Scorable:
    return scorable(reading.model_grid.content, technical=asdict(reading.facts), exif=asdict(reading.exif))


def _answers(scorer: Scorer, images: Iterator[Scorable], what: str, total: int) -> Iterator[Answers]:
    """Yield answers in the order of `images`, some images at a time."""
    interview = Interview(engine=scorer.engine, pack=scorer.pack)
    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=total)
        while batch := list(islice(images, _AT_ONCE)):
            yield from interview.whole_answers(batch, [{}] * len(batch))
            progress.advance(bar, len(batch))


def _report(found: Calibration, output: Path, skipped: dict[str, str], *, as_json: bool) -> None:
    doubts = list(_doubts(found))
    if as_json:
        plain: dict[str, Any] = found.model_dump(mode="json")
        click.echo(json.dumps({"file": str(output), **plain, "skipped": skipped, "doubts": doubts}))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("question", "corrected by", "labels", "error", "rank correlation"):
        table.add_column(column)
    for question in found.questions:
        table.add_row(question.question, _how(question), *_cells(question.fit))
    console_for_tables().print(table)
    for path, reasons in skipped.items():
        click.secho(f"{path}: left out: {reasons}", fg="yellow", err=True)
    for doubt in doubts:
        click.secho(doubt, fg="yellow", err=True)
    click.echo(f'{output}: a policy names it as calibration = "{found.id}"')


def _how(question: QuestionCalibration) -> str:
    parts = (
        "prior" if question.prior else "",
        f"log odds * {question.line.slope:.2f} {question.line.intercept:+.2f}" if question.line else "",
        f"{len(question.knots)} knots" if question.knots else "",
    )
    return ", ".join(filter(None, parts))


def _cells(fit: Fit | None) -> tuple[str, str, str]:
    if fit is None:
        return "", "", ""
    before, after = fit.before, fit.after
    ranks = " → ".join("-" if each is None else f"{each:.3f}" for each in (before.srcc, after.srcc))
    return str(fit.images), f"{before.error:.3f} → {after.error:.3f}", ranks


def _doubts(found: Calibration) -> Iterator[str]:
    for question in found.questions:
        if question.fit is None:
            continue
        if question.fit.images < ENOUGH_LABELS:
            yield f"{question.question}: {question.fit.images} labels; {ENOUGH_LABELS} are recommended"
        if question.fit.after.error > question.fit.before.error:
            yield f"{question.question}: the error grew on images it was not fitted on; leave its column out"
