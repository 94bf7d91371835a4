"""`parjanya tenant …` and `parjanya token …`."""

import json

import click

from parjanya_dagster.cli.connection import connect
from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.laptop import endpoints, sign_in_url
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.control.tokens import ROLES, issue_token


@click.group()
def tenant() -> None:
    """Add and list tenants."""


@tenant.command("add")
@click.argument("name")
def tenant_add(name: str) -> None:
    """Add a tenant: its bucket and its registry marker. Repeating it changes nothing."""
    bucket = add_tenant(connect(load_home()), name)
    click.echo(f"Tenant {name} is ready; its uploads go to s3://{bucket}.")


@tenant.command("list")
@click.option("--json", "as_json", is_flag=True, help="A JSON list of names.")
def tenant_list(*, as_json: bool) -> None:
    """List the registered tenants."""
    names = connect(load_home()).control.tenants()
    if as_json:
        click.echo(json.dumps(names))
    elif names:
        click.echo("\n".join(names))
    else:
        click.echo("No tenants yet; add one with `parjanya tenant add NAME`.")


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
    secret = issue_token(connect(home), tenant_id=tenant_id, role=role, subject=subject)
    click.echo(secret)
    click.echo(f"Sign in: {sign_in_url(endpoints(home).web, secret)}", err=True)
