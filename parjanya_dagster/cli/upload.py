"""`parjanya upload`: send photos through the upload API."""

import json
import os
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.exits import INCOMPLETE
from parjanya_dagster.cli.home import Home, load_home
from parjanya_dagster.cli.journal import Journal
from parjanya_dagster.cli.laptop import endpoints
from parjanya_dagster.cli.photos import find_photos
from parjanya_dagster.cli.sending import Upload, UploadApi, send_all
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.control.tokens import authenticate, issue_token
from parjanya_dagster.control.trail import recorded


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--tenant", "tenant_id", required=True, help="Whose images they become.")
@click.option(
    "--token", "secret", envvar="PARJANYA_TOKEN", help="A token that may upload; on a laptop one is issued."
)
@click.option("--url", envvar="PARJANYA_URL", help="The web app; by default the one `parjanya up` started.")
@click.option("--priority", type=click.Choice(["high", "normal", "low"]), default="normal", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file.")
def upload(
    *,
    paths: tuple[Path, ...],
    tenant_id: str,
    secret: str | None,
    url: str | None,
    priority: str,
    as_json: bool,
) -> None:
    """Upload files and folders (recursively) to a tenant.

    Files whose content was uploaded before are skipped, so an interrupted upload is simply repeated.
    A file that cannot be read or is refused is named, the others go on, and the command ends with status 2.
    """
    home = load_home()
    photos = find_photos(paths)
    secret = secret or laptop_token(home, tenant_id)
    api = UploadApi(url=(url or endpoints(home).web).rstrip("/"), tenant_id=tenant_id, secret=secret)
    journal = Journal.open(_journal_path(home, tenant_id, url))
    uploads: list[Upload] = []
    console = Console(stderr=True)
    columns = (TextColumn("Uploading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(photos))
        for each in send_all(api, photos, journal=journal, priority=priority):
            uploads.append(each)
            progress.advance(bar)
            if as_json:
                click.echo(json.dumps(_plain(each)))
            if each.problem:
                click.secho(f"{each.path}: {each.problem}", fg="red", err=True)
    problems = sum(1 for each in uploads if each.problem)
    known = sum(1 for each in uploads if each.was_known)
    if not as_json:
        skipped = f", {known} were there already" if known else ""
        failed = f", {problems} failed (named above)" if problems else ""
        click.echo(f"{len(uploads) - known - problems} uploaded to {tenant_id}{skipped}{failed}.")
    if problems:
        raise SystemExit(INCOMPLETE)


def laptop_token(home: Home, tenant_id: str) -> str:
    """Return a photographer's token of a tenant: the one issued before, while it is known, else a new one.

    Raises:
        InvalidRequestError: unknown tenant.
        ConfigError: nothing runs here.
    """
    platform = connect(home)
    kept = home.path / "tokens" / tenant_id
    if kept.is_file():
        secret = kept.read_text().strip()
        token = authenticate(platform, secret)
        if token is not None and token.tenant_id == tenant_id:
            return secret
    subject = os.environ.get("USER", "laptop")
    with recorded(platform, who_asks(), f"upload: token issue --tenant {tenant_id} --role photographer"):
        secret = issue_token(platform, tenant_id=tenant_id, role="photographer", subject=subject)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret)
    return secret


def _journal_path(home: Home, tenant_id: str, url: str | None) -> Path:
    host = "".join(each if each.isalnum() else "-" for each in f"-{url}") if url else ""
    return home.path / f"uploads-{tenant_id}{host}.jsonl"


def _plain(each: Upload) -> dict[str, object]:
    return {
        "path": str(each.path),
        "image_id": each.image_id,
        "was_known": each.was_known,
        "problem": each.problem,
    }
