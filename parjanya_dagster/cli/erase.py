"""`parjanya images erase`: take images away for good, with a certificate of what went."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.control.erase import Erased, How, Wanted, certificate, erase_images, wanted_images
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
_UNFINISHED: Final = 3
_SHOWN: Final = 5


@click.command("erase")
@click.argument("image_ids", nargs=-1, metavar="[ID]...")
@click.option("--tenant", "tenant_id", required=True)
@click.option("--uploader", help="Everything of this person.")
@click.option("--before", type=click.DateTime(), help="Everything uploaded before this time, UTC.")
@INCLUDE_SOURCE_OPTION
@click.option("--yes", is_flag=True, help="Do it; without this it is only shown.")
@CERTIFICATE_OPTION
def images_erase(
    *,
    image_ids: tuple[str, ...],
    tenant_id: str,
    uploader: str | None,
    before: datetime | None,
    include_source: bool,
    yes: bool,
    certificate_file: Path | None,
) -> None:
    """Erase images: originals with every version, previews, facts, results and records.

    Choose them by ID, --uploader or --before; with none of these, what an earlier run left unfinished. A
    tombstone stays that names nobody and keeps the image from coming back. Jobs on the queue need no purge:
    whoever receives one sees the tombstone and deletes it.

    The status is 3 while something is left, or may still be written by who was working on it: repeat it then.
    """
    if image_ids and (uploader or before):
        raise click.UsageError("choose images by ID, or by --uploader and --before")
    wanted = Wanted(
        tenant_id=tenant_id,
        image_ids=image_ids,
        uploader=uploader,
        before=before and before.replace(tzinfo=UTC),
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
    what = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    click.echo(f"{len(images)} images would be erased" + (f": {what}." if images else "."))
    for key in list(images)[:_SHOWN]:
        click.echo(f"  {key.image_id}")
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
            f"{len(erased.settling)} images were being worked on. What that writes can still come until "
            f"{until:%Y-%m-%d %H:%M:%S} UTC; then run: {repeat}",
            err=True,
        )
    if not erased.is_complete:
        raise click.exceptions.Exit(_UNFINISHED)
