"""`parjanya tenant …` and `parjanya token …`."""

import json
from pathlib import Path

import click

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.erase import (
    CERTIFICATE_OPTION,
    INCLUDE_SOURCE_OPTION,
    conclude,
    hand_over,
    show_choice,
)
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.laptop import endpoints, sign_in_url
from parjanya_dagster.cli.options import YES_OPTION
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.control.erase import Wanted, wanted_images
from parjanya_dagster.control.tenant_removal import removal_certificate, remove_tenant
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.tokens import ROLES, issue_token
from parjanya_dagster.control.trail import recorded


@click.group()
def tenant() -> None:
    """Add, list and remove tenants."""


@tenant.command("add")
@click.argument("name")
def tenant_add(name: str) -> None:
    """Add a tenant: its bucket and its registry marker. Repeating it changes nothing."""
    platform = connect(load_home())
    with recorded(platform, who_asks(), f"tenant add {name}"):
        bucket = add_tenant(platform, name)
    click.echo(f"Tenant {name} is ready; its uploads go to s3://{bucket}.")


@tenant.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON list of names.")
def tenant_list(*, as_json: bool) -> None:
    """List the registered tenants."""
    platform = connect(load_home())
    names = platform.control.tenants()
    for name in sorted(set(platform.buckets.existing()) - set(names)):
        click.echo(f"{name} has a bucket and is not registered: parjanya tenant add {name}", err=True)
    if as_json:
        click.echo(json.dumps(names))
    elif names:
        click.echo("\n".join(names))
    else:
        click.echo("No tenants yet; add one with `parjanya tenant add NAME`.")


@tenant.command("remove")
@click.argument("name")
@INCLUDE_SOURCE_OPTION
@click.option("--force", is_flag=True, help="Also while uploads are open; what arrives goes too.")
@YES_OPTION
@CERTIFICATE_OPTION
def tenant_remove(
    *, name: str, include_source: bool, force: bool, yes: bool, certificate_file: Path | None
) -> None:
    """Remove a tenant: its tokens, every image, its bucket, and its marker last.

    Repeat it until the status is 0; as long as anything is left, the tenant stays in the list.
    """
    platform = connect(load_home())
    if not yes:
        show_choice(wanted_images(platform, Wanted(tenant_id=name, everything=True)))
        return
    who = who_asks()
    removal = remove_tenant(platform, name, who=who, include_source=include_source, force=force)
    hand_over(removal_certificate(platform, name, removal, who=who), certificate_file)
    conclude(removal.images, repeat=f"parjanya tenant remove {name} --yes")


@click.group()
def token() -> None:
    """Issue API tokens."""


@token.command("issue")
@click.option("--tenant", "tenant_id", required=True, help="Whose images the token opens.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="Photographers and admins may upload.")
@click.option("--subject", default="operator", show_default=True, help="Who it is for.")
def token_issue(*, tenant_id: str, role: str, subject: str) -> None:
    """Issue a token and print its secret, which is shown this once (standard output: the secret alone)."""
    home = load_home()
    platform = connect(home)
    with recorded(
        platform, who_asks(), f"token issue --tenant {tenant_id} --role {role} --subject {subject}"
    ):
        secret = issue_token(platform, tenant_id=tenant_id, role=role, subject=subject)
    click.echo(secret)
    click.echo(f"Sign in: {sign_in_url(endpoints(home).web, secret)}", err=True)
