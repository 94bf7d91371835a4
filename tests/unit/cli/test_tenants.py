"""`parjanya tenant list`: who is registered, and who should be."""

import json

from click.testing import CliRunner

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.simulation.fakes.platform import a_fake_platform


def test_list_names_tenants_that_have_a_bucket_and_no_marker_apart() -> None:
    """Incident 5: whoever asks who there is, is told who is overlooked; scripts read names alone."""
    world = a_fake_platform()
    add_tenant(world.platform(), "acme")
    world.buckets.ensure("lonely")

    listed = CliRunner().invoke(parjanya, ["tenant", "list", "--json"], obj=world.platform())

    assert listed.exit_code == 0
    assert json.loads(listed.stdout) == ["acme"]
    assert listed.stderr == "lonely has a bucket and is not registered: parjanya tenant add lonely\n"
