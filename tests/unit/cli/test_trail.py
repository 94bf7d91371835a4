"""Commands that change Truth leave their entry in the trail, and no secrets."""

import json

import pytest
from click.testing import CliRunner

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.simulation.fakes.platform import a_fake_platform


def test_commands_that_change_truth_leave_who_and_what_but_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An auditor reads which tokens were issued and cannot use one."""
    monkeypatch.setenv("PARJANYA_WHO", "ada")
    platform = a_fake_platform().platform()
    secret = ""
    for command in ("tenant add acme", "token issue --tenant acme --role admin --subject bo"):
        result = CliRunner().invoke(parjanya, command.split(), obj=platform)
        assert result.exit_code == 0, result.output
        secret = result.stdout.strip()

    listed = CliRunner().invoke(parjanya, ["trail", "--json"], obj=platform).stdout

    entries = [json.loads(line) for line in listed.splitlines()]
    actions = {entry["action"] for entry in entries}
    assert actions == {"tenant add acme", "token issue --tenant acme --role admin --subject bo"}
    assert {(entry["who"], entry["outcome"]) for entry in entries} == {("ada", "done")}
    assert secret.startswith("pj_")
    assert secret not in listed
