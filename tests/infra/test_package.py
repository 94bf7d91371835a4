"""The functions' code archive: same code, same key; and nothing of the other entry points in it."""

import io
import zipfile
from pathlib import Path

from infra.package import package_code


def _names(body: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(body)).namelist()


def test_archive_when_built_twice_then_is_identical() -> None:
    """An unchanged deploy is a no-op because its key does not change."""
    assert package_code() == package_code()


def test_archive_when_a_byte_changes_then_key_changes(tmp_path: Path) -> None:
    """Changed code is never mistaken for what is deployed."""
    source = tmp_path / "package" / "module.py"
    source.parent.mkdir()
    source.write_text("a = 1\n")
    before = package_code(source.parent)

    source.write_text("a = 2\n")

    assert package_code(source.parent).key != before.key


def test_archive_of_product_when_built_then_holds_functions_and_no_entry_point() -> None:
    """Functions never reach Dagster, the web app or the laptop's parts, not even as files."""
    names = _names(package_code().body)

    assert "parjanya_dagster/core/names.py" in names
    tops = {name.split("/")[1] for name in names}
    assert tops.isdisjoint({"cli", "definitions.py", "defs", "local", "web"})
    assert not any("__pycache__" in name for name in names)
