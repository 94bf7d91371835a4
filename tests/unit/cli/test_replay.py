"""`parjanya replay`, `redrive` and `trail` as a person and a script meet them."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from parjanya_dagster.cli.main import parjanya
from parjanya_dagster.cli.trail import who_asks
from parjanya_dagster.control.trail import recorded, trail
from parjanya_dagster.core.errors import InvalidRequestError, UnavailableError
from parjanya_dagster.core.reconcile.actions import Ruling
from parjanya_dagster.core.reconcile.dead_letters import DeadLetterRecord, document_of
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import ImageRow, Status
from parjanya_dagster.simulation.fakes.platform import FakePlatform, a_fake_platform
from tests.builders import NOON, TENANT, a_key, a_row, an_original


@pytest.fixture(autouse=True)
def who(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be Ada who asks."""
    monkeypatch.setenv("PARJANYA_WHO", "ada")


@pytest.fixture
def world() -> FakePlatform:
    """Return a world with three failed images."""
    world = a_fake_platform()
    world.control.register_tenant(TENANT, now=NOON)
    for number in (1, 2, 3):
        add(world, a_row(number, status=Status.VLM_FAILED, last_error="undeliverable: given up 4 times"))
    return world


def add(world: FakePlatform, row: ImageRow) -> None:
    """Put a row and its object."""
    original = an_original(row.key, version_id=None)
    world.images.add(replace(row, original=original))
    world.objects.add(original.bucket, original.key, b"image")


def run(world: FakePlatform, *arguments: str) -> Result:
    """Run a command over fakes."""
    return CliRunner().invoke(parjanya, arguments, obj=world.platform())


def told(world: FakePlatform, *arguments: str) -> dict[str, Any]:
    """Return what a command that ends well says as JSON."""
    result = run(world, *arguments, "--json")
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def generations(world: FakePlatform) -> list[int]:
    """Return the generation of each row."""
    return sorted(row.generation for row in world.images.rows.values())


def test_replay_without_yes_says_what_it_would_touch_and_touches_nothing(world: FakePlatform) -> None:
    """Counts, price, samples and digest come before any change."""
    result = run(world, "replay", "--tenant", TENANT, "--boundary", "all")

    assert result.exit_code == 0
    assert "3 images, boundary all" in result.stdout
    assert "3 vlm_failed" in result.stdout
    assert "GPU seconds" in result.stdout
    assert "Nothing was touched" in result.stdout
    assert world.calls.writes == ["control.register_tenant"]


def test_replay_with_yes_carries_out_what_it_would_have_previewed(world: FakePlatform) -> None:
    """The digest of the preview is that of what is done, and stands in the trail."""
    criteria = ("replay", "--tenant", TENANT, "--boundary", "all")

    shown = told(world, *criteria)
    done = told(world, *criteria, "--yes")

    (entry,) = trail(world.platform(), limit=9)
    assert done["digest"] == shown["digest"] == entry.plan_digest
    assert (done["replayed"], done["skipped"], done["untouched"]) == (3, {}, 0)
    assert (entry.who, entry.action) == ("ada", "replay --boundary all --lane regrade")
    assert (dict(entry.before), dict(entry.after)) == ({"vlm_failed": 3}, {"replayed": 3})
    assert generations(world) == [2, 2, 2]


def test_replay_with_yes_says_first_what_it_touches_and_then_what_it_did(world: FakePlatform) -> None:
    """A person sees both, also of a replay that has nothing to do."""
    some = run(world, "replay", "--tenant", TENANT, "--boundary", "all", "--yes")
    nothing = run(world, "replay", "--tenant", TENANT, "--verdict", "reject", "--boundary", "none", "--yes")

    assert some.stdout.index("3 images") < some.stdout.index("3 replayed")
    assert "Nothing was touched" not in some.stdout
    assert "0 images" in nothing.stdout


def test_replay_with_boundary_validation_takes_what_was_rejected_and_stands_in_the_trail(
    world: FakePlatform,
) -> None:
    """What a mended decoder may now read is found by status; failures of the engine are left alone."""
    add(world, a_row(4, status=Status.REJECTED_TECHNICAL, last_error="undecodable"))

    done = told(world, "replay", "--status", "rejected_technical", "--boundary", "validation", "--yes")

    (entry,) = trail(world.platform(), limit=9)
    assert (done["replayed"], entry.action) == (1, "replay --boundary validation --lane regrade")
    assert world.images.rows[a_key(4)].status is Status.PENDING_VALIDATION
    assert generations(world) == [1, 1, 1, 1]


def test_plan_when_reviewed_is_run_exactly_and_what_changed_is_named(
    world: FakePlatform, tmp_path: Path
) -> None:
    """Rows that appeared since are not in it; rows that moved since are skipped and named."""
    plan = str(tmp_path / "plan.json")
    run(world, "replay", "--tenant", TENANT, "--boundary", "all", "--plan", plan)
    add(world, a_row(4, status=Status.VLM_FAILED))
    add(world, a_row(1, status=Status.ENRICHED))

    result = run(world, "replay", "--yes", "--plan", plan)

    assert "2 replayed, 1 skipped, 0 untouched" in result.stdout
    assert f"skipped {a_key(1)}: changed" in result.stdout
    assert generations(world) == [1, 1, 2, 2]


def test_plan_when_most_of_it_changed_names_ten_and_counts_the_rest(
    world: FakePlatform, tmp_path: Path
) -> None:
    """A person reads ten lines, a script all of them."""
    plan = str(tmp_path / "plan.json")
    for number in range(1, 13):
        add(world, a_row(number, status=Status.VLM_FAILED))
    run(world, "replay", "--tenant", TENANT, "--boundary", "all", "--plan", plan)
    world.images.rows.clear()

    assert "and 2 more" in run(world, "replay", "--yes", "--plan", plan).stdout
    assert len(told(world, "replay", "--yes", "--plan", plan)["skipped"]) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("replay",), "say which images"),
        (("replay", "--tenant", TENANT), "how far back"),
        (("replay", "--tenant", TENANT, "--boundary", "all", "--questions", "focus"), "how far back"),
        (("replay", "--boundary", "all"), "say which images"),
        (("replay", "--id", "x", "--boundary", "all"), "whose image is x"),
        (("replay", "--yes", "--plan", "none.json"), "no plan none.json"),
        (("replay", "--yes", "--plan", "text.json"), "not a plan"),
        (("replay", "--yes", "--plan", "plan.json"), "plan of a redrive"),
        (("replay", "--yes", "--plan", "plan.json", "--tenant", TENANT, "--boundary", "all"), "beside it"),
        (("redrive", "--yes", "--plan", "plan.json", "--tenant", TENANT), "beside --yes --plan"),
        (("redrive", "--acknowledge", "nothing"), "no dead letter"),
    ],
)
def test_command_when_asked_for_something_unclear_says_what_is_missing(
    world: FakePlatform,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """Nothing is guessed where Truth is changed."""
    monkeypatch.chdir(tmp_path)
    Path("text.json").write_text("no plan")
    run(world, "redrive", "--plan", "plan.json")

    result = run(world, *arguments)

    assert isinstance(result.exception, InvalidRequestError)
    assert message in str(result.exception)
    assert generations(world) == [1, 1, 1]


def test_time_when_it_is_none_is_a_fault_in_the_usage(world: FakePlatform) -> None:
    """With the status of every other fault in the usage, and an example of what is one."""
    result = run(world, "replay", "--since", "soon", "--boundary", "all")

    assert result.exit_code == 2
    assert "'soon' is not a time such as" in result.output


def test_preview_of_nothing_invites_nobody_to_carry_it_out(world: FakePlatform) -> None:
    """`--yes` is offered only where it would do something."""
    world.images.rows.clear()

    result = run(world, "replay", "--tenant", TENANT, "--boundary", "all")

    assert "There is nothing to carry out." in result.stdout
    assert "--yes" not in result.stdout


def test_replay_selects_by_every_option(world: FakePlatform) -> None:
    """All criteria narrow each other down; ids may be whole or the one tenant's."""
    add(world, a_row(4, status=Status.ENRICHED))
    ours = ("replay", "--tenant", TENANT, "--boundary", "all")

    assert told(world, *ours, "--status", "enriched", "--verdict", "accept", "--policy", "v1")["rows"] == 1
    assert told(world, *ours, "--id", a_key(1).image_id, "--id", str(a_key(2)))["rows"] == 2
    assert told(world, *ours, "--since", "2026-03-01T11:00:00.003")["rows"] == 2
    assert told(world, *ours, "--until", "2026-03-01T12:00:00.003+01:00")["rows"] == 2
    assert told(world, *ours, "--fingerprint", "gpu-1")["rows"] == 0
    some = told(world, *ours[:-2], "--questions", "focus,sharpness", "--limit", "2", "--lane", "fresh")
    assert (some["rows"], some["boundary"], some["lane"]) == (2, "questions:focus,sharpness", "fresh")


def test_replay_when_interrupted_says_what_was_done_and_goes_on_when_run_again(
    world: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C finishes the row at hand; the rest is untouched."""
    write = world.images.write

    def write_and_interrupt(before: ImageRow, after: ImageRow) -> bool:
        written = write(before, after)
        if before.key == a_key(2):
            os.kill(os.getpid(), signal.SIGINT)
        return written

    monkeypatch.setattr(world.images, "write", write_and_interrupt)
    first = run(world, "replay", "--tenant", TENANT, "--boundary", "all", "--yes")
    second = run(world, "replay", "--tenant", TENANT, "--boundary", "all", "--yes")

    assert first.exit_code == 130
    assert "2 replayed, 0 skipped, 1 untouched" in first.stdout
    assert "Run the same command again" in first.stdout
    assert "1 replayed, 0 skipped, 0 untouched" in second.stdout
    assert [entry.outcome for entry in trail(world.platform(), limit=9)] == ["done", "interrupted"]
    assert generations(world) == [2, 2, 2]


def test_replay_when_interrupted_twice_ends_at_once(
    world: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person in a hurry is not argued with; what was done is still told."""

    def interrupt_twice(before: ImageRow, after: ImageRow) -> bool:
        del before, after
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second one ends it")

    monkeypatch.setattr(world.images, "write", interrupt_twice)

    result = run(world, "replay", "--tenant", TENANT, "--boundary", "all", "--yes")

    assert result.exit_code == 1
    assert "0 replayed, 0 skipped, 3 untouched" in result.stdout


def test_replay_when_truth_does_not_answer_says_what_was_done(world: FakePlatform) -> None:
    """The error is told, and so are the numbers until then."""
    world.calls.fail("images.write", UnavailableError("away"), after=True)

    result = run(world, "replay", "--tenant", TENANT, "--boundary", "all", "--yes")

    assert isinstance(result.exception, UnavailableError)
    assert "0 replayed, 0 skipped, 3 untouched" in result.stdout
    assert trail(world.platform(), limit=1)[0].outcome == "failed: away"


def a_letter(world: FakePlatform, image: str | None) -> str:
    """Put the record of a dead letter; return its id."""
    letter = DeadLetterRecord(
        message_id=f"m-{image}",
        ruling=Ruling.FAILED if image else Ruling.UNREADABLE,
        evidence="given up",
        blames_image=False,
        receive_count=4,
        sent_at=NOON,
        found_at=NOON,
        image=image,
        generation=1 if image else None,
    )
    world.records.put(RecordKind.DEAD_LETTER, letter.record_id, document_of(letter))
    return letter.record_id


def test_redrive_goes_at_its_rate_and_acknowledges(
    world: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty a minute take four seconds for three; the letters bear the name of who asked."""
    monkeypatch.setattr("time.sleep", lambda seconds: world.clock.advance(seconds=seconds))
    a_letter(world, str(a_key(1)))

    shown = run(world, "redrive", "--tenant", TENANT)
    done = told(world, "redrive", "--tenant", TENANT, "--rate", "30", "--yes")
    listed = run(world, "redrive", "--list")

    assert "1 are acknowledged" in shown.stdout
    assert (done["replayed"], generations(world)) == (3, [2, 2, 2])
    assert (world.clock.now - NOON).total_seconds() == 4
    assert "0 open dead letters" in listed.stdout
    assert trail(world.platform(), limit=1)[0].action == "redrive --boundary all --lane regrade"


def test_dead_letters_are_listed_with_their_evidence_and_acknowledged_by_name(world: FakePlatform) -> None:
    """What cannot be redriven is looked at and acknowledged, which the trail remembers."""
    about, no_job = a_letter(world, str(a_key(1))), a_letter(world, None)

    shown = run(world, "redrive", "--list")
    acknowledged = run(world, "redrive", "--acknowledge", no_job)
    left = json.loads(run(world, "redrive", "--list", "--json").stdout)

    assert f"{about}  failed  {a_key(1)}" in shown.stdout
    assert "a message that is no job" in shown.stdout
    assert "acknowledged by ada" in acknowledged.stdout
    assert [letter["id"] for letter in left] == [about]
    assert dict(trail(world.platform(), limit=1)[0].after) == {"acknowledged": 1}


def test_trail_lists_who_did_what_newest_first(world: FakePlatform) -> None:
    """An entry without an end is still going on, or its process died."""
    assert "Nobody has changed anything yet" in run(world, "trail").stdout
    platform = world.platform()
    with recorded(platform, "ada", "tenant add acme", before={"rows": 1}):
        world.clock.advance(seconds=1)
    with recorded(platform, "bo", "replay [x]", plan_digest="d" * 64):
        lines = [json.loads(line) for line in run(world, "trail", "--json").stdout.splitlines()]
        shown = run(world, "trail", "--limit", "2").stdout

    assert [(line["who"], line["outcome"]) for line in lines] == [("bo", None), ("ada", "done")]
    assert "replay [x]" in shown
    assert "begun" in shown
    assert "1 rows" in shown


def test_who_asks_is_the_login_without_a_better_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers without a login still leave a number."""
    monkeypatch.delenv("PARJANYA_WHO")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "grace")
    assert who_asks() == "grace"

    def nobody() -> str:
        raise KeyError("no login")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert who_asks() == f"user {os.getuid()}"
