"""`parjanya adopt`: rows for an archive that exists, with nothing copied."""

import json
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.tables import console_for_tables
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.control.adoption import Adoption, Progress, adopt_source, preview_adoption
from parjanya_dagster.core.reconcile.source_mapping import SourceMapping, mapping_from


@click.command()
@click.option("--tenant", "tenant_id", required=True, help="Whose images they become.")
@click.option("--bucket", required=True, help="Where the originals lie, and stay.")
@click.option("--prefix", default="", help="Only objects whose key begins so.")
@click.option("--table", help="DynamoDB table of the other system; without one the bucket is listed.")
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML: which column is the key, the uploader, the status … (docs/adoption.md).",
)
@click.option("--dry-run", is_flag=True, help="Say what would become of everything; write nothing.")
@click.option("--resume", is_flag=True, help="Go on where the last run stopped.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object at the end.")
def adopt(
    *,
    tenant_id: str,
    bucket: str,
    prefix: str,
    table: str | None,
    mapping_file: Path | None,
    dry_run: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Build image rows from an existing bucket, or from another system's table.

    Nothing is copied: rows point to the objects where they lie, by version, and previews go to the tenant's
    own bucket. Running it twice adopts nothing twice. The bucket becomes a registered source of this tenant.
    """
    if dry_run and resume:
        raise click.UsageError("a dry run looks at everything: choose --dry-run or --resume")
    mapping = mapping_from(mapping_file.read_text("utf-8")) if mapping_file else SourceMapping()
    adoption = Adoption(tenant_id=tenant_id, bucket=bucket, mapping=mapping, prefix=prefix, table=table)
    platform = connect(load_home())
    if dry_run:
        progress = preview_adoption(platform, adoption, on_batch=_report)
    else:
        progress = adopt_source(platform, adoption, who=who_asks(), resume=resume, on_batch=_report)
    _show(progress, dry_run=dry_run, as_json=as_json)


def _report(progress: Progress) -> None:
    click.echo(f"{sum(progress.counts.values())} looked at", err=True)


def _show(progress: Progress, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        counts = {found.value: count for found, count in sorted(progress.counts.items())}
        samples = {found.value: keys for found, keys in sorted(progress.samples.items())}
        click.echo(json.dumps({"dry_run": dry_run, "counts": counts, "samples": samples}))
        return
    if not progress.counts:
        click.echo("Nothing was found: is this the bucket's name, and the beginning of its keys?")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("would be" if dry_run else "became")
    table.add_column("count", justify="right")
    table.add_column("for example", overflow="fold")
    for found, count in progress.counts.most_common():
        examples = ", ".join(progress.samples.get(found, ()))
        table.add_row(found.value.replace("_", " "), str(count), escape(examples))
    console_for_tables().print(table)
