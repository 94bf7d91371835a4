"""`parjanya up` and `parjanya down`."""

import click

from parjanya_dagster.cli.home import load_home
from parjanya_dagster.cli.laptop import bring_up, take_down


@click.command()
@click.option("--no-dagster", is_flag=True, help="Leave Dagster out; workers drain the queue headless.")
def up(*, no_dagster: bool) -> None:
    """Start everything on this machine and wait until it answers.

    Starts the local AWS, deploys the templates that AWS gets, publishes the shipped policy if none is
    published, and starts the web app, Dagster and the fleet. Repeating it starts only what does not run.
    Processes go on after the command; logs are in .parjanya/logs. Ports: PARJANYA_WEB_PORT (8080),
    PARJANYA_DAGSTER_PORT (3000), PARJANYA_AWS_PORT (4566); 0 takes a free one.
    """
    home = load_home()
    where = bring_up(
        home,
        with_dagster=not no_dagster,
        progress=lambda what, took_s: click.echo(f"  {what:<26}{took_s:5.1f} s"),
    )
    click.echo(f"Web app   {where.web}")
    if where.dagster:
        click.echo(f"Dagster   {where.dagster}")
    click.echo("Next: `parjanya tenant add T`, `parjanya upload DIR --tenant T`; stop with `parjanya down`.")


@click.command()
@click.option("--wipe", is_flag=True, help="Delete all local state too: photos, verdicts, history.")
def down(*, wipe: bool) -> None:
    """Stop everything on this machine; state is kept for the next `up`."""
    home = load_home()
    ended = take_down(home, wipe=wipe)
    click.echo(f"Stopped: {', '.join(ended)}." if ended else "Nothing was running.")
    if wipe:
        click.echo(f"Deleted {home.path}.")
