"""How every file reads: short, named for its subject, and with a reason wherever a rule is set aside."""

import ast
import gc
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import EVERYWHERE, PRODUCT, name_of, python_files

LONGEST = 350
BANNED_NAMES = ("utils", "util", "helpers", "helper", "common", "manager", "base", "misc")
SET_ASIDE = re.compile(
    r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no cover)"
    r"(?:\[[^\]]*\]|:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?(?P<rest>.*)"
)
SKIPS = {"skip", "skipif", "xfail", "importorskip"}


def _trees(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in python_files(*folders):
        yield path, _parsed(path)


def _parsed(path: Path) -> ast.Module:
    # CPython 3.11 raises SystemError when a finalizer runs in the middle of a parse (gh-106905), and other
    # tests leave databases to be finalized.
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_every_file_is_short_enough_to_be_read_at_once() -> None:
    """One subject per file: none is longer than 350 lines."""
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in python_files(*EVERYWHERE)}

    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}


def test_no_module_is_named_for_being_useful() -> None:
    """Modules are nouns of the domain; a name that fits anything collects everything."""
    bad = re.compile(rf"(?:^|_)(?:{'|'.join(BANNED_NAMES)})(?:_|$)")
    names = {name_of(path): (*path.parts[-2:-1], path.stem) for path in python_files(*EVERYWHERE)}

    assert [name for name, parts in names.items() if any(bad.search(part) for part in parts)] == []


def test_mocks_are_imported_nowhere() -> None:
    """Fakes, not mocks: a fake passes the contract tests of the port it stands for."""
    guilty = []
    for path, tree in _trees(*EVERYWHERE):
        for node in ast.walk(tree):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            )
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if any("mock" in f"{module}.{name}".split(".") for name in names):
                guilty.append(name_of(path))

    assert guilty == []


def test_every_test_states_its_promise() -> None:
    """A test function without a docstring says what it does and not what it protects."""
    silent = [
        f"{name_of(path)}::{node.name}"
        for path, tree in _trees("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert silent == []


def test_every_rule_set_aside_carries_its_reason() -> None:
    """A noqa or an ignore says why on its own line, so that it can be taken back when the reason is gone."""
    bare: dict[str, list[str]] = {}
    for path in python_files(*EVERYWHERE):
        for line, comment in _comments(path):
            found = SET_ASIDE.search(comment)
            if found and not re.search(r"[A-Za-z]{2,}", found["rest"]):
                bare.setdefault(name_of(path), []).append(f"{line}: {comment}")

    assert bare == {}


def test_every_skip_carries_its_reason() -> None:
    """A test that does not run says why in the report."""
    bare = [
        f"{name_of(path)}:{node.lineno}"
        for path, tree in _trees("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _is_skip_without_reason(node)
    ]

    assert bare == []


def test_every_module_of_the_product_says_what_it_is_and_why() -> None:
    """The first thing a reader sees is what a file is for; packages are empty."""
    silent = [
        name_of(path)
        for path, tree in _trees(*PRODUCT)
        if not ast.get_docstring(tree) and path.name != "__init__.py"
    ]

    assert silent == []


@pytest.mark.parametrize("comment", ["# noqa: S603", "# type: ignore[arg-type]", "# noqa"])
def test_bare_comment_is_recognised(comment: str) -> None:
    """The test above would notice: a comment without words after it has no reason."""
    found = SET_ASIDE.search(comment)

    assert found is not None
    assert found["rest"].strip() == ""


def _is_skip_without_reason(node: ast.Call) -> bool:
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in SKIPS:
        return False
    if not ast.unparse(node.func).startswith("pytest."):
        return False
    is_condition_first = node.func.attr in ("skipif", "xfail", "importorskip")
    return not any(word.arg == "reason" for word in node.keywords) and (is_condition_first or not node.args)
