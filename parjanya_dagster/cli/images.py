"""`parjanya images`: a tenant's images and what was decided about them; `images erase` takes them away."""

import json

import click

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.erase import images_erase
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.tables import console_for_tables, table_of
from parjanya_dagster.control.listing import images_of
from parjanya_dagster.control.tenants import registered_tenants
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.web.drawers import Drawers
from parjanya_dagster.web.views import ImageView, Show, view_of


@click.group(invoke_without_command=True)
@click.option("--tenant", "tenant_id", help="Whose images.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Newest images."
)
@click.option("--show", type=click.Choice([each.value for each in Show]), help="Only these.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per image.")
@click.pass_context
def images(
    context: click.Context, *, tenant_id: str | None, limit: int, show: str | None, as_json: bool
) -> None:
    """List a tenant's images with their verdicts, newest first.

    The scores are shown where the terminal is wide enough; --json has them always, with the image's id, which
    `why`, `replay --id` and `images erase` ask for.
    """
    if context.invoked_subcommand is not None:
        return
    if tenant_id is None:
        raise click.UsageError("Missing option '--tenant'.")
    platform = connect(load_home())
    registered_tenants(platform, [tenant_id])
    drawers = Drawers(platform.images)
    rows = [row for row in images_of(platform, tenant_id, limit=limit) if row.status is not Status.ERASED]
    shown = [(row, view) for row in rows if show in (None, (view := view_of(row, drawers.of(row))).show)]
    if as_json:
        for row, view in shown:
            click.echo(json.dumps(_plain(row, view)))
    elif not shown:
        click.echo(
            f"No images here yet: `parjanya upload DIR --tenant {tenant_id}`." if not rows else "None."
        )
    else:
        console = console_for_tables()
        console.print(table_of([view for _, view in shown], width=console.width))


images.add_command(images_erase)


def _plain(row: ImageRow, view: ImageView) -> dict[str, object]:
    return {
        "image_id": view.image_id,
        "file_name": view.file_name,
        "status": row.status,
        "verdict": row.decision.verdict if row.decision else None,
        "reason_codes": list(view.reasons),
        "policy_version": view.policy_version,
        "scores": dict(view.scores),
        "generation": row.generation,
        "scored_by": row.scored_by,
        "last_error": row.last_error,
        "uploaded_at": view.uploaded_at.isoformat(),
        "took_s": view.took_s,
    }
