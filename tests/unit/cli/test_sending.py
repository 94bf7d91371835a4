"""Sending photos through the real upload API, over fakes."""

from pathlib import Path

import pytest

from parjanya_dagster.cli import sending
from parjanya_dagster.cli.journal import Journal, Sent
from parjanya_dagster.cli.sending import send_all
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import original_key
from tests.builders import NAMES, TENANT
from tests.unit.cli.conftest import Site


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Return three files of different content."""
    paths = [tmp_path / f"photo-{number}.jpg" for number in range(3)]
    for path in paths:
        path.write_bytes(path.name.encode() * 1000)
    return paths


def test_files_when_sent_arrive_whole_and_in_order(site: Site, photos: list[Path]) -> None:
    """What S3 holds is what lay on the disk, under the id that the API gave."""
    uploads = list(send_all(site.api(), photos, journal=None))

    bucket = NAMES.uploads_bucket(TENANT)
    assert [each.path for each in uploads] == photos
    for each in uploads:
        assert each.image_id is not None
        assert (
            site.fakes.objects.get(bucket, original_key(each.image_id, each.path.name))
            == each.path.read_bytes()
        )


def test_files_sent_before_are_skipped_by_content(site: Site, photos: list[Path], tmp_path: Path) -> None:
    """A repeated upload sends what is new, under whatever name the known content now lies."""
    journal_path = tmp_path / "state" / "uploads.jsonl"
    first = list(send_all(site.api(), photos[:2], journal=Journal.open(journal_path)))
    renamed = photos[0].rename(tmp_path / "renamed.jpg")

    again = list(send_all(site.api(), [renamed, *photos[1:]], journal=Journal.open(journal_path)))

    assert [each.was_known for each in again] == [True, True, False]
    assert [each.image_id for each in again[:2]] == [each.image_id for each in first]


def test_file_that_cannot_be_read_is_named_and_stops_no_other(
    site: Site, photos: list[Path], tmp_path: Path
) -> None:
    """One bad file costs itself only."""
    empty = tmp_path / "empty.jpg"
    empty.touch()

    missing, nothing, good = send_all(site.api(), [tmp_path / "missing.jpg", empty, photos[0]], journal=None)

    assert missing.problem == "cannot be read: No such file or directory"
    assert nothing.problem == "empty"
    assert good.image_id is not None


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_outage_that_ends_costs_nothing(
    site: Site, photos: list[Path], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two failures of the other side are tried again."""
    monkeypatch.setattr(sending, "_PAUSE_S", 0.0)
    site.outages[method] = 2

    [upload] = send_all(site.api(), photos[:1], journal=None)

    assert upload.image_id is not None
    assert site.requests.count(method) == 3


def test_outage_that_stays_is_named_without_the_signature(
    site: Site, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signed address never reaches a terminal or a log."""
    monkeypatch.setattr(sending, "_PAUSE_S", 0.0)
    site.outages["PUT"] = 99

    [upload] = send_all(site.api(), photos[:1], journal=None)

    assert upload.problem is not None
    assert "503" in upload.problem
    assert "signature" not in upload.problem


def test_server_that_does_not_listen_is_named_with_what_to_do(
    site: Site, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A web app that is down is started with `parjanya up`."""
    monkeypatch.setattr(sending, "_PAUSE_S", 0.0)

    [upload] = send_all(site.api(url="http://127.0.0.1:1"), photos[:1], journal=None)

    assert upload.problem is not None
    assert "parjanya up" in upload.problem


def test_wrong_token_ends_the_upload_at_once(site: Site, photos: list[Path]) -> None:
    """What would fail for every file is said once."""
    with pytest.raises(InvalidRequestError, match="parjanya token issue"):
        list(send_all(site.api(secret="pj_wrong"), photos, journal=None))


def test_token_of_another_tenant_uploads_nothing(site: Site, photos: list[Path]) -> None:
    """Photos never end with a tenant that was not meant."""
    with pytest.raises(InvalidRequestError, match="globex"):
        list(send_all(site.api(tenant_id="globex"), photos, journal=None))

    assert not site.fakes.images.rows


def test_journal_with_a_torn_line_keeps_the_others_and_grows_on(tmp_path: Path) -> None:
    """An interruption in the middle of a line loses that line, and swallows none after it."""
    path = tmp_path / "uploads.jsonl"
    path.write_text('{"sha256": "a", "image_id": "1", "file_name": "a.jpg"}\n{"sha256": "b", "ima')

    journal = Journal.open(path)
    journal.add(Sent(sha256="c", image_id="3", file_name="c.jpg"))

    reopened = Journal.open(path)
    assert [reopened.find(digest) is not None for digest in "abc"] == [True, False, True]
