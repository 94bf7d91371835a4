"""Finding photos in folders."""

from pathlib import Path

import pytest

from parjanya_dagster.cli.photos import content_type_of, find_photos
from parjanya_dagster.core.errors import InvalidRequestError


def touched(path: Path) -> Path:
    """Create a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_folder_is_searched_recursively_for_images_only(tmp_path: Path) -> None:
    """Images of any depth count; notes, hidden files and hidden folders do not."""
    wanted = [touched(tmp_path / name) for name in ("a.jpg", "b/c/D.HEIC", "e.webp")]
    for name in ("notes.txt", ".hidden.jpg", ".cache/thumb.jpg"):
        touched(tmp_path / name)

    assert sorted(find_photos([tmp_path])) == wanted


def test_file_that_is_named_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    """Whoever names a file means it; and nobody uploads one file twice."""
    named = touched(tmp_path / "scan")

    assert find_photos([named, named, tmp_path / "missing"]) == [named, tmp_path / "missing"]


def test_folder_without_images_says_what_was_looked_for(tmp_path: Path) -> None:
    """An empty folder is an error with a reason, and not an empty success."""
    with pytest.raises(InvalidRequestError, match=r"no images in .* heic .* webp"):
        find_photos([tmp_path])


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.JPG", "image/jpeg"), ("a.heif", "image/heif"), ("a", "application/octet-stream")],
)
def test_content_type_follows_the_name(name: str, content_type: str) -> None:
    """The type is what the name claims; what it is, ingestion finds out."""
    assert content_type_of(Path(name)) == content_type
