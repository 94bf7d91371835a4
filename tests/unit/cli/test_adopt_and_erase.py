"""`parjanya adopt`, `images erase` and `tenant remove` as a person and a script meet them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.control.tenants import add_tenant
from parjanya_dagster.core.errors import InvalidRequestError, UnavailableError
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NAMES, NOON, TENANT, a_key, a_row
from tests.unit.control.test_erase import fill

BUCKET = NAMES.uploads_bucket(TENANT)


@pytest.fixture(autouse=True)
def who(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be Bo who asks."""
    monkeypatch.setenv("PARJANYA_WHO", "bo")


@pytest.fixture
def world() -> FakePlatform:
    """Return a world with two decided images of Ada's and an archive."""
    world = a_fake_platform(plane="cli")
    add_tenant(world.platform(), TENANT)
    for number in (1, 2):
        fill(world, a_row(number, status=Status.ENRICHED))
    for key in ("2019/a.jpg", "2019/[b].jpg", "2019/notes.txt"):
        world.objects.add("archive", key, b"image")
    world.clock.advance(hours=1)
    world.calls.clear()
    return world


def run(world: FakePlatform, *arguments: str) -> Result:
    """Run a command over fakes."""
    return CliRunner().invoke(parjanya, arguments, obj=world.platform())


def adopt(world: FakePlatform, *arguments: str) -> Result:
    """Adopt the archive."""
    return run(world, "adopt", "--tenant", TENANT, "--bucket", "archive", *arguments)


def test_adopt_shows_what_became_of_everything(world: FakePlatform) -> None:
    """Counts by reason, with keys to look at; keys are text, not markup."""
    result = adopt(world)

    assert result.exit_code == 0, result.output
    assert "3 looked at" in result.stderr
    assert "adopted" in result.stdout
    assert "2019/[b].jpg" in result.stdout
    assert "not an image" in result.stdout
    assert len(world.images.rows) == 4


def test_adopt_in_a_dry_run_writes_nothing(world: FakePlatform) -> None:
    """The same counts, for a script, with nothing changed."""
    result = adopt(world, "--dry-run", "--json")

    assert json.loads(result.stdout) == {
        "dry_run": True,
        "counts": {"adopted": 2, "not_an_image": 1},
        "samples": {"adopted": ["2019/[b].jpg", "2019/a.jpg"], "not_an_image": ["2019/notes.txt"]},
    }
    assert world.calls.writes == []
    assert "would be" in adopt(world, "--dry-run").stdout


def test_adopt_reads_a_table_by_its_mapping(world: FakePlatform, tmp_path: Path) -> None:
    """A record's words become a row's."""
    world.archive.tables["theirs"] = [{"path": "2019/a.jpg", "owner": "cleo"}]
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[columns]\nkey = "path"\nuploader = "owner"\n')

    result = adopt(world, "--table", "theirs", "--mapping", str(mapping), "--json")

    assert json.loads(result.stdout)["counts"] == {"adopted": 1}
    assert [row.uploader for row in world.images.rows.values() if row.file_name == "a.jpg"] == ["cleo"]


def test_adopt_of_nothing_asks_whether_the_name_is_right(world: FakePlatform) -> None:
    """A misspelt bucket is not a success in silence."""
    assert "is this the bucket's name" in adopt(world, "--prefix", "2018/").stdout


def test_adopt_with_nothing_to_resume_says_so(world: FakePlatform) -> None:
    """Resuming is for what stopped; a dry run has nothing to resume."""
    assert isinstance(adopt(world, "--resume").exception, InvalidRequestError)
    assert "choose --dry-run or --resume" in adopt(world, "--resume", "--dry-run").output


def test_erase_shows_its_choice_and_changes_nothing_until_it_is_told_to(world: FakePlatform) -> None:
    """A preview first, always."""
    shown = run(world, "images", "erase", "--tenant", TENANT, "--uploader", "ada")

    assert "2 images would be erased: 2 enriched." in shown.stdout
    assert a_key(1).image_id in shown.stdout
    assert world.calls.writes == []


def test_erase_hands_over_a_certificate(world: FakePlatform, tmp_path: Path) -> None:
    """On standard output, or in a file."""
    one = run(world, "images", "erase", a_key(1).image_id, "--tenant", TENANT, "--yes")
    file = tmp_path / "certificate.json"
    until = NOON.strftime("%Y-%m-%d %H:%M:%S")
    rest = run(
        world,
        *("images", "erase", "--tenant", TENANT, "--until", until, "--yes"),
        *("--certificate", str(file)),
    )

    assert (one.exit_code, rest.exit_code) == (0, 0), (one.output, rest.output)
    assert [each["image_id"] for each in json.loads(one.stdout)["images"]] == [a_key(1).image_id]
    assert [each["image_id"] for each in json.loads(file.read_text())["images"]] == [a_key(2).image_id]
    assert rest.stdout == ""
    assert world.objects.versions_in(BUCKET) == []


def test_erased_images_are_listed_no_more(world: FakePlatform) -> None:
    """The tombstone is for the audit; in the list it would look like an image in progress."""
    run(world, "images", "erase", a_key(1).image_id, "--tenant", TENANT, "--yes")

    listed = run(world, "images", "--tenant", TENANT, "--json").stdout.splitlines()

    assert [json.loads(line)["image_id"] for line in listed] == [a_key(2).image_id]


def test_erase_that_chooses_nothing_says_so(world: FakePlatform) -> None:
    """`--yes` is offered only where it would do something."""
    shown = run(world, "images", "erase", "--tenant", TENANT, "--until", "2001-01-01").stdout

    assert shown == "No image is chosen by this; nothing would be erased.\n"


def test_erase_that_is_not_finished_says_when_to_repeat_it(world: FakePlatform) -> None:
    """Status 3 while a worker may still write, and the command that finishes it."""
    world.images.add(a_row(5, intent_at=world.clock()))

    first = run(world, "images", "erase", a_key(5).image_id, "--tenant", TENANT, "--yes")
    world.clock.advance(minutes=5)
    second = run(world, "images", "erase", "--tenant", TENANT, "--yes")

    assert first.exit_code == 3
    assert f"then run: parjanya images erase --tenant {TENANT} --yes" in first.stderr
    assert second.exit_code == 0
    assert json.loads(second.stdout)["totals"]["images"] == 1


def test_erase_names_what_was_left(world: FakePlatform) -> None:
    """Nothing is left in silence."""
    world.images.add(a_row(5, status=Status.ENRICHED))
    world.calls.fail("archive.bury", UnavailableError("DynamoDB is away"))

    result = run(world, "images", "erase", a_key(5).image_id, "--tenant", TENANT, "--yes")

    assert result.exit_code == 3
    assert f"Left: {a_key(5).image_id}: DynamoDB is away" in result.stderr


def test_erase_by_id_and_by_person_at_once_is_refused(world: FakePlatform) -> None:
    """Whether that means and or or is not guessed."""
    result = run(world, "images", "erase", a_key(1).image_id, "--tenant", TENANT, "--uploader", "ada")

    assert result.exit_code == 2


def test_images_still_lists_by_default(world: FakePlatform) -> None:
    """The command that people know is unchanged; without a tenant it asks for one."""
    listed = run(world, "images", "--tenant", TENANT, "--json")

    assert len(listed.stdout.splitlines()) == 2
    missing = run(world, "images")
    assert missing.exit_code == 2
    assert "--tenant" in missing.output


def test_tenant_is_removed_after_it_was_shown(world: FakePlatform) -> None:
    """A preview, then everything, with a certificate."""
    shown = run(world, "tenant", "remove", TENANT)
    assert "2 images would be erased" in shown.stdout
    assert world.calls.writes == []

    removed = run(world, "tenant", "remove", TENANT, "--yes")

    document: dict[str, Any] = json.loads(removed.stdout)
    assert (removed.exit_code, document["removed"]) == (0, True)
    assert world.control.tenants() == []
