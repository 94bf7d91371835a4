"""Labels as people write them: read with tolerance for taste, refused by line where they are wrong."""

from pathlib import Path

import pytest

from gpu_worker.calibration.labels import InvalidLabelsError, read_labels
from gpu_worker.prompts.pack import shipped_pack
from parjanya_dagster.core.errors import ConfigError

PACK = shipped_pack("photo-1")


def labels_in(folder: Path, text: str, *images: str) -> Path:
    """Write a file of labels beside empty images and return it."""
    for image in images or ("a.jpg", "b.jpg"):
        (folder / image).write_bytes(b"")
    file = folder / "labels.csv"
    file.write_text(text, encoding="utf-8-sig")  # as spreadsheets save it
    return file


def test_labels_are_numbers_whatever_they_were_written_as(tmp_path: Path) -> None:
    """Words, numbers and blanks may be mixed; a row that says nothing is left out."""
    text = "path,photograph,light\na.jpg, Yes ,0.4\nb.jpg,no,excellent\nc.jpg,,\n"
    file = labels_in(tmp_path, text, "a.jpg", "b.jpg", "c.jpg")

    found = read_labels(file, tmp_path, PACK)

    assert [(each.path.name, dict(each.labels)) for each in found] == [
        ("a.jpg", {"photograph": 1.0, "light": 0.4}),
        ("b.jpg", {"photograph": 0.0, "light": 1.0}),
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file,photograph\na.jpg,yes\n", "no column 'path'; the columns are file, photograph"),
        ("", "the columns are none"),
        ("path,photograf\na.jpg,yes\n", "has no question 'photograf'"),
        ("path,content_class\na.jpg,photo\n", "'content_class' is a choice among classes"),
        (
            "path,photograph\na.jpg,yes\nb.jpg,maybe\n",
            "line 3: 'maybe' is no label of 'photograph': yes, no$",
        ),
        ("path,photograph\na.jpg,0.5\n", "'0.5' is no label of 'photograph'"),
        ("path,light\na.jpg,1.5\n", "'1.5' is no label of 'light': bad, .*, or a number from 0 to 1"),
        ("path,light\na.jpg,nan\n", "'nan' is no label of 'light'"),
        ("path,light\na.jpg,great\n", "'great' is no label of 'light'"),
        ("path,light\na.jpg,1\ngone.jpg,1\n", "1 labelled images are not there, first .*gone.jpg"),
        ("path,light\na.jpg,1\na.jpg,0\n", "listed more than once"),
        ('path,light\n"a.jpg,1\n', "can't be read as CSV"),
    ],
)
def test_labels_that_are_wrong_are_refused_by_place(tmp_path: Path, text: str, complaint: str) -> None:
    """Half a file of labels would be a calibration of something else."""
    with pytest.raises(ConfigError, match=complaint):
        read_labels(labels_in(tmp_path, text), tmp_path, PACK)


def test_file_of_labels_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A spreadsheet's own format is named as unreadable."""
    file = tmp_path / "labels.csv"
    file.write_bytes(b"PK\x03\x04\xff\xfe")

    with pytest.raises(InvalidLabelsError, match="can't be read as CSV"):
        read_labels(file, tmp_path, PACK)
