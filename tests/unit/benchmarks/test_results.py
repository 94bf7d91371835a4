"""The form of results: complete after every row, read back as written, and the same in the pages."""

from pathlib import Path

import pytest

from benchmarks.render import DOCS, with_results, write_plot
from benchmarks.results import FOLDER, Plot, Results, open_results, read_results
from benchmarks.tables import Table

PLOT = Plot(table="speed", label="way", value="images/s", series="picture")


def _results(path: Path) -> Results:
    return open_results("speed", plot=PLOT, packages=["numpy", "no-such-package"], out=path)


def test_results_interrupted_after_a_row_are_on_disk_with_that_row(tmp_path: Path) -> None:
    """A run that is killed loses nothing that it measured."""
    results = _results(tmp_path / "new" / "speed.json")
    results.add("speed", {"way": "plain", "picture": "clean", "images/s": 3.141592})
    results.remark("interrupted here")

    found = read_results(results.path)

    assert found == results
    assert found.tables == {"speed": [{"way": "plain", "picture": "clean", "images/s": 3.142}]}
    assert found.remarks == ["interrupted here"]


def test_results_name_machine_versions_and_date(tmp_path: Path) -> None:
    """A number without its circumstances can be compared with nothing."""
    results = _results(tmp_path / "speed.json")
    results.add("speed", {"way": "plain", "picture": "clean", "images/s": 3.0})

    text = results.markdown()

    assert text.startswith("`python -m benchmarks.")
    assert str(results.machine["cpu"]) in text
    assert f"{results.machine['cores']} cores (load average" in text
    assert results.date[:10] in text
    assert f"numpy {results.versions['numpy']}" in text
    assert "no-such-package absent" in text
    assert "| plain | clean | 3 |" in text


def test_table_with_a_missing_cell_shows_a_dash_and_keeps_its_numbers_right() -> None:
    """What a row could not measure is visible, and does not turn a column of numbers into words."""
    table = Table(title="t", rows=[{"way": "a", "ms": None}, {"way": "b", "ms": 1234.5}, {"way": "c"}])

    assert table.markdown().splitlines()[2:] == [
        "| way | ms |",
        "|---|---:|",
        "| a | - |",
        "| b | 1,234 |",
        "| c | - |",
    ]


def test_plot_of_grouped_rows_is_drawn_and_repeats_byte_by_byte(tmp_path: Path) -> None:
    """A plot changes only when its results do; rows without a number have no bar."""
    results = _results(tmp_path / "speed.json")
    for way, speed in (("plain", 3.0), ("draft", 16.5), ("broken", None)):
        for picture in ("clean", "noisy"):
            results.add("speed", {"way": way, "picture": picture, "images/s": speed})

    write_plot(results)
    first = results.path.with_suffix(".png").read_bytes()
    write_plot(results)

    assert first.startswith(b"\x89PNG")
    assert results.path.with_suffix(".png").read_bytes() == first


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_page_shows_the_results_that_are_committed(page: Path) -> None:
    """`python -m benchmarks.render` was run after the last measurement: pages and files agree."""
    text = page.read_text(encoding="utf-8")

    assert with_results(text) == text


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_committed_results_have_their_plot_and_a_page(path: Path) -> None:
    """Nothing was measured for a drawer."""
    pages = [page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")]

    assert read_results(path).tables
    assert path.with_suffix(".png").exists()
    assert any(f"<!-- results: {path.stem} -->" in page for page in pages)
