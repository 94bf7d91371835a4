"""`parjanya images erase`: take images away for good, with a certificate of what went."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.exits import UNFINISHED
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.options import TIME, YES_OPTION
from parjanya_dagster.cli.tables import words_of_counts, words_of_time
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.control.erase import Erased, How, Wanted, certificate, erase_images, wanted_images
from parjanya_dagster.core.reconcile.wording import counted
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow

CERTIFICATE_OPTION: Final = click.option(
    "--certificate",
    "certificate_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the certificate here instead of to standard output.",
)
INCLUDE_SOURCE_OPTION: Final = click.option(
    "--include-source", is_flag=True, help="Delete adopted originals in their own bucket too."
)
_SHOWN: Final = 5


@click.command("erase", short_help="Erase images for good, with a certificate.")
@click.argument("image_ids", nargs=-1, metavar="[ID]...")
@click.option("--tenant", "tenant_id", required=True, help="Whose images.")
@click.option("--uploader", help="Everything of this person.")
@click.option("--until", type=TIME, help="Everything uploaded before then, e.g. 2026-03-01 (UTC).")
@INCLUDE_SOURCE_OPTION
@YES_OPTION
@CERTIFICATE_OPTION
def images_erase(
    *,
    image_ids: tuple[str, ...],
    tenant_id: str,
    uploader: str | None,
    until: datetime | None,
    include_source: bool,
    yes: bool,
    certificate_file: Path | None,
) -> None:
    """Erase images: originals with every version, previews, facts, results and records.

    Choose them by ID, --uploader or --until; with none of these, what an earlier run left unfinished. A
    tombstone stays that names nobody and keeps the image from coming back. Jobs on the queue need no purge:
    whoever receives one sees the tombstone and deletes it.

    The status is 3 while something is left, or may still be written by who was working on it: repeat it then.
    """
    if image_ids and (uploader or until):
        raise click.UsageError("choose images by ID, or by --uploader and --until")
    wanted = Wanted(
        tenant_id=tenant_id,
        image_ids=image_ids,
        uploader=uploader,
        before=until,
    )
    platform = connect(load_home())
    images = wanted_images(platform, wanted)
    if not yes:
        show_choice(images)
        return
    who = who_asks()
    erased = erase_images(platform, images, who=who, how=How(include_source=include_source))
    hand_over(certificate(tenant_id, erased, who=who, now=platform.clock()), certificate_file)
    conclude(erased, repeat=f"parjanya images erase --tenant {tenant_id} --yes")


def show_choice(images: Mapping[ImageKey, ImageRow | None]) -> None:
    """Print which images would be erased."""
    counts = Counter("no row" if row is None else row.status.value for row in images.values())
    if not images:
        click.echo("No image is chosen by this; nothing would be erased.")
        return
    told = words_of_counts(dict(counts.most_common()))
    click.echo(f"{counted(len(images), 'image')} would be erased: {told}.")
    for key in list(images)[:_SHOWN]:
        click.echo(f"  {key.image_id}")
    if len(images) > _SHOWN:
        click.echo(f"  and {len(images) - _SHOWN} more")
    click.echo("Nothing was changed; repeat it with --yes.")


def hand_over(document: Mapping[str, object], file: Path | None) -> None:
    """Write a certificate to its file, or print it."""
    text = json.dumps(document, indent=2)
    if file is None:
        click.echo(text)
    else:
        file.write_text(f"{text}\n", encoding="utf-8")


def conclude(erased: Erased, *, repeat: str) -> None:
    """Say on standard error what is not finished yet, and end with status 3 if anything is."""
    for line in erased.left:
        click.secho(f"Left: {line}", fg="red", err=True)
    if erased.settling:
        until = max(erased.settling.values())
        click.echo(
            f"Not finished: what was being worked on ({counted(len(erased.settling), 'image')}) can still be "
            f"written to until {words_of_time(until)}; then run: {repeat}",
            err=True,
        )
    if not erased.is_complete:
        raise SystemExit(UNFINISHED)
