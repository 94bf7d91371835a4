"""Checkers: what CI runs on the product as it is, run here on a product with a defect in it.

A checker finds a broken promise or nothing. An error that is no promise's, such as that of a patch which does
not even run, is no finding: it is raised.
"""

import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol
from uuid import uuid4

import pytest
from hypothesis import Phase, settings

from parjanya_dagster.aws.truth_dynamodb import DynamoImageStore
from parjanya_dagster.core.errors import ParjanyaError
from parjanya_dagster.simulation.episode import Episode, play
from parjanya_dagster.simulation.faults import Fault
from parjanya_dagster.simulation.sweep import Story, places_of, told
from tests.contract import test_image_store_contract
from tests.contract.endpoints import ROOT, served_moto
from tests.mutants.stories import told_again

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_INDEXES: Final = (("gap", ("gap_key", "due_at")), ("outstanding", ("outstanding_key", "intent_at")))
_ATTRIBUTES: Final[Mapping[str, Literal["S", "N"]]] = {
    **dict.fromkeys(("pk", "sk", "gap_key", "outstanding_key"), "S"),
    **dict.fromkeys(("due_at", "intent_at"), "N"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A promise that was found broken.

    Args:
        promise: an invariant of the simulator, or the name of a test.
        detail: what exactly was seen.
        steps: simulated until then; 0 for a contract.
    """

    promise: str
    detail: str
    steps: int = 0


class Checker(Protocol):
    """What looks for a broken promise."""

    @property
    def name(self) -> str:
        """What it is called in the table."""

    def prepare(self) -> None:
        """Load what it needs, so that nothing is loaded with the defect in it and keeps it."""

    def find(self) -> Finding | None:
        """Return the first broken promise, or None."""


@dataclass(frozen=True, slots=True)
class Told:
    """A small story of the simulator.

    Args:
        times: how often it is told, each time with other delays.
    """

    story: Story
    times: int = 1

    @property
    def name(self) -> str:
        """See `Checker`."""
        return f"simulator: {self.story.name}" + (f" ({self.times} times)" if self.times > 1 else "")

    def prepare(self) -> None:
        """See `Checker`."""

    def find(self) -> Finding | None:
        """See `Checker`."""
        return _first(told(told_again(self.story, number)) for number in range(self.times))


@dataclass(frozen=True, slots=True)
class Swept:
    """A small story, played once for each place where one kind of fault may strike.

    Args:
        fault: the kind.
        at: places whose names begin so; all of them by default.
    """

    story: Story
    fault: Fault
    at: str = ""

    @property
    def name(self) -> str:
        """See `Checker`."""
        return f"sweep: {self.story.name}, {self.fault.value} at each {self.at or 'place'}"

    def prepare(self) -> None:
        """See `Checker`."""

    def find(self) -> Finding | None:
        """See `Checker`."""
        return _first(
            told(self.story, (what, where))
            for what, where in places_of(self.story)
            if what == self.fault.value and where.startswith(self.at)
        )


@dataclass(frozen=True, slots=True)
class Seeds:
    """Whole worlds by the seed, one after the other."""

    count: int

    @property
    def name(self) -> str:
        """See `Checker`."""
        return f"simulator: seeds 0 to {self.count - 1}"

    def prepare(self) -> None:
        """See `Checker`."""

    def find(self) -> Finding | None:
        """See `Checker`."""
        return _first(play(str(seed)) for seed in range(self.count))


@dataclass(frozen=True, slots=True)
class Contract:
    """A test of the suite that needs no fixture, with every set of its parameters.

    Args:
        module: under `tests`, e.g. `unit.core.reconcile.test_plan`.
    """

    module: str
    test: str

    @property
    def name(self) -> str:
        """See `Checker`."""
        return f"contract: {self.module.rpartition('.')[2]}"

    def prepare(self) -> None:
        """See `Checker`."""
        import_module(f"tests.{self.module}")

    def find(self) -> Finding | None:
        """See `Checker`."""
        test = getattr(import_module(f"tests.{self.module}"), self.test)
        return _found(test, dict)


@dataclass(frozen=True, slots=True)
class StoreContract:
    """A contract test of the image store, held by the edge to DynamoDB over an emulator in this process."""

    test: str

    @property
    def name(self) -> str:
        """See `Checker`."""
        return "contract: test_image_store_contract, on DynamoDB"

    def prepare(self) -> None:
        """See `Checker`."""

    def find(self) -> Finding | None:
        """See `Checker`."""
        with served_moto() as url:
            dynamodb = ROOT.client("dynamodb", endpoint_url=url)
            return _found(getattr(test_image_store_contract, self.test), lambda: _an_empty_store(dynamodb))


def _first(episodes: Iterable[Episode]) -> Finding | None:
    steps = 0
    for episode in episodes:
        steps += episode.steps
        for violation in episode.violations:
            return Finding(promise=violation.invariant, detail=violation.detail, steps=steps)
    return None


def _found(test: Callable[..., object], fixtures: Callable[[], Mapping[str, object]]) -> Finding | None:
    """Run a test with each set of its parameters, and new fixtures each time; return what it found."""
    wanted = inspect.signature(test).parameters
    for parameters in _parameters_of(test):
        try:
            with _hurried(test):
                test(**parameters, **{name: each for name, each in fixtures().items() if name in wanted})
        except (Exception, pytest.fail.Exception) as error:
            if not _is_the_tests_own(error):
                raise
            return Finding(promise=test.__name__, detail=repr(error).partition("\n")[0])
    return None


def _an_empty_store(dynamodb: "DynamoDBClient") -> dict[str, object]:
    """Return the fixtures of the image store's contract, on a new table."""
    table = f"images-{uuid4().hex}"
    dynamodb.create_table(
        TableName=table,
        KeySchema=_key("pk", "sk"),
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in _ATTRIBUTES.items()
        ],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {"IndexName": name, "KeySchema": _key(*keys), "Projection": {"ProjectionType": "KEYS_ONLY"}}
            for name, keys in _INDEXES
        ],
    )
    store = DynamoImageStore(dynamodb, table=table)
    return {"store": store, "created": lambda row: store.create(row) and row}


def _key(partition: str, sort: str) -> list[Any]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def _parameters_of(test: Callable[..., object]) -> Iterator[dict[str, Any]]:
    """Yield each set of arguments that pytest would call a test with."""
    marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
    for chosen in product(*(mark.args[1] for mark in marks)):
        arguments: dict[str, Any] = {}
        for mark, values in zip(marks, chosen, strict=True):
            names = mark.args[0]
            names = [each.strip() for each in names.split(",")] if isinstance(names, str) else names
            given = values if len(names) > 1 else (values,)
            arguments |= dict(zip(names, given, strict=True))
        yield arguments


@contextmanager
def _hurried(test: Any) -> Iterator[None]:  # noqa: ANN401 -- a test, and what Hypothesis keeps on it
    """Let Hypothesis draw the same examples each time inside the block, and minimise none."""
    name = "_hypothesis_internal_use_settings"
    known = getattr(test, name, None)
    if known is None:
        yield
        return
    phases = (Phase.explicit, Phase.generate)
    setattr(test, name, settings(known, phases=phases, database=None, derandomize=True))
    try:
        yield
    finally:
        setattr(test, name, known)


def _is_the_tests_own(error: BaseException) -> bool:
    """Whether an assertion failed, a line of a test could not do what it expects, or the product refused."""
    is_refusal = isinstance(error, AssertionError | pytest.fail.Exception | ParjanyaError)
    return is_refusal or "/tests/" in traceback.extract_tb(error.__traceback__)[-1].filename
