"""Patches: the product with one defect in it, for as long as a block lasts.

A defect is a change of text in one function, a constant with another value, or a template with another line.
A changed function keeps its identity and gets other code, so that whoever imported it runs the defect too.
"""

import __future__

import ast
import inspect
import re
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

from infra import deploy

_PRODUCT: Final = ("parjanya_dagster", "gpu_worker", "infra", "tests")
_TEXTS: Final[dict[FunctionType, str]] = {}
"""Texts of functions that have a defect at the moment, so that one may have two; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A function with another text in one place.

    Args:
        where: `module:function` or `module:Class.method`; of a property, its getter.
        before: a text that the function contains exactly once, as it stands there without its indentation.
        after: what the defect has instead.
    """

    where: str
    before: str
    after: str

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the defect be there inside the block."""
        function = _function_at(self.where)
        text, code = _TEXTS.get(function, ""), function.__code__
        sound = text or textwrap.dedent(inspect.getsource(function))
        _TEXTS[function] = _replaced(sound, self.before, self.after, self.where)
        function.__code__ = _code_of(_TEXTS[function], function)
        try:
            yield
        finally:
            function.__code__, _TEXTS[function] = code, text

    @property
    def difference(self) -> str:
        """The defect for a person."""
        return _difference(self.before, self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A constant with another value, wherever it was imported under its name.

    Args:
        where: `module:NAME`.
    """

    where: str
    value: Any

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the constant have that value inside the block."""
        module_name, _, name = self.where.partition(":")
        sound = getattr(import_module(module_name), name)
        homes = [
            module
            for module in list(sys.modules.values())
            if module.__name__.partition(".")[0] in _PRODUCT and vars(module).get(name) is sound
        ]
        for module in homes:
            setattr(module, name, self.value)
        try:
            yield
        finally:
            for module in homes:
                setattr(module, name, sound)

    @property
    def difference(self) -> str:
        """The defect for a person."""
        name = self.where.partition(":")[2]
        return f"+ {name} = {self.value!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A CloudFormation template with another text in one place.

    Args:
        where: its file name.
        every: the text stands there several times, and all of them change.
    """

    where: str
    before: str
    after: str
    every: bool = False

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the templates be read from a copy with the defect inside the block."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(deploy.TEMPLATES, Path(folder) / "templates"))
            text = (copy / self.where).read_text(encoding="utf-8")
            if self.every and self.before in text:
                broken = text.replace(self.before, self.after)
            else:
                broken = _replaced(text, self.before, self.after, self.where)
            (copy / self.where).write_text(broken, encoding="utf-8")
            with Constant(where="infra.deploy:TEMPLATES", value=copy).applied():
                yield

    @property
    def difference(self) -> str:
        """The defect for a person."""
        return _difference(self.before, self.after)


Patch = Branch | Constant | Template


@contextmanager
def mutated(*patches: Patch) -> Iterator[None]:
    """Let all of these defects be there inside the block."""
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch.applied())
        yield


def _function_at(where: str) -> FunctionType:
    module_name, _, path = where.partition(":")
    *owners, name = path.split(".")
    owner = reduce(getattr, owners, import_module(module_name))
    found: object = inspect.getattr_static(owner, name)
    if isinstance(found, property):
        found = found.fget
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    if not isinstance(found, FunctionType) or found.__code__.co_freevars:
        raise TypeError(f"{where} is no function whose code can be replaced")
    return found


def _code_of(text: str, function: FunctionType) -> CodeType:
    tree = ast.parse(text)
    [definition] = tree.body
    if not isinstance(definition, ast.FunctionDef):
        raise TypeError(f"{function.__qualname__} is no function that can be changed")
    definition.decorator_list = []
    made: dict[str, FunctionType] = {}
    code = compile(tree, function.__module__, "exec", flags=__future__.annotations.compiler_flag)
    exec(code, function.__globals__, made)  # noqa: S102 -- the mutant itself
    return made[definition.name].__code__


def _replaced(text: str, before: str, after: str, where: str) -> str:
    """Return the text with another piece in it; whatever its lines are indented by is kept."""
    lines = [re.escape(line.strip()) for line in before.splitlines()]
    found = list(re.finditer(r"\s*\n\s*".join(lines), text))
    if len(found) != 1:
        raise LookupError(
            f"{where} contains {before!r} {len(found)} times, not once: the product has changed, so write "
            "the mutant anew"
        )
    start, end = found[0].span()
    indent = re.match(r" *", text[text.rfind("\n", 0, start) + 1 :])
    return text[:start] + after.replace("\n", "\n" + (indent.group() if indent else "")) + text[end:]


def _difference(before: str, after: str) -> str:
    def lines(sign: str, text: str) -> Sequence[str]:
        return [f"{sign} {line}" for line in text.splitlines()]

    return "\n".join([*lines("-", before), *lines("+", after)])
