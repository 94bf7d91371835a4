"""A local AWS endpoint, fleets on it and a Dagster instance, for tests with real processes."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from parjanya_dagster.local.stack import LocalAws
from tests.asg_executor.fleets import PASSWORD, REPOSITORY, TestFleet, wait_until
from tests.asg_executor.postgres import MISSING, Postgres, find_binaries, running_postgres

SQLITE = ""  # what Dagster takes when nothing is named

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}


@pytest.fixture(scope="session")
def fleet_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """The local AWS process, shared by this directory's tests."""
    aws = LocalAws.start(tmp_path_factory.mktemp("aws"), port=0, autosave_s=3600, ends_with_parent=True)
    yield aws
    aws.stop()


@pytest.fixture(scope="session")
def standing_fleet(fleet_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestFleet]:
    """One agent that every peaceful test shares: starting one takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        _point_at(patch, fleet_aws)
        fleet = TestFleet(endpoint=fleet_aws.endpoint, directory=tmp_path_factory.mktemp("standing"))
        fleet.create()
        fleet.start_agent()
        yield fleet
        fleet.stop()


@pytest.fixture
def shared_fleet(
    standing_fleet: TestFleet, fleet_aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> TestFleet:
    """The standing fleet, with this process pointed at it."""
    _enter(monkeypatch, fleet_aws, standing_fleet)
    return standing_fleet


@pytest.fixture(scope="session")
def standing_pair(fleet_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestFleet]:
    """One agent with two children, shared like the standing one."""
    with pytest.MonkeyPatch.context() as patch:
        _point_at(patch, fleet_aws)
        fleet = TestFleet(endpoint=fleet_aws.endpoint, directory=tmp_path_factory.mktemp("pair"))
        fleet.create()
        agent = fleet.start_agent("--children=2")
        wait_until(lambda: agent.log.read_text().count("child_ready") == 2, what="both children are ready")
        yield fleet
        fleet.stop()


@pytest.fixture
def pair_fleet(standing_pair: TestFleet, fleet_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> TestFleet:
    """The standing pair, with this process pointed at it."""
    _enter(monkeypatch, fleet_aws, standing_pair)
    return standing_pair


@pytest.fixture
def fleet(fleet_aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestFleet]:
    """A fleet of the test's own, without agents, with this process pointed at it."""
    _point_at(monkeypatch, fleet_aws)
    fleet = TestFleet(endpoint=fleet_aws.endpoint, directory=tmp_path / "fleet")
    fleet.create()
    _enter(monkeypatch, fleet_aws, fleet)
    yield fleet
    fleet.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private Postgres, shared by this directory's tests; each gets a database of its own."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(MISSING)
    with running_postgres(binaries) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request: pytest.FixtureRequest) -> str:
    """Return the part of a dagster.yaml that names where runs and events are kept.

    A test file whose promises do not depend on that overrides this fixture with `SQLITE`.
    """
    if request.param == "sqlite":
        return SQLITE
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.storage_of(postgres.create_database())


@pytest.fixture
def dagster_home(tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster home on disk, so that run worker and agents share its storage."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(f"telemetry:\n  enabled: false\n{storage}")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv(PASSWORD, "any")
    return home


@pytest.fixture
def instance(dagster_home: Path) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of that home."""
    assert dagster_home.is_dir()
    with dg.DagsterInstance.get() as opened:
        yield opened


def _point_at(patch: pytest.MonkeyPatch, aws: LocalAws) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": aws.endpoint}.items():
        patch.setenv(name, value)


def _enter(patch: pytest.MonkeyPatch, aws: LocalAws, fleet: TestFleet) -> None:
    _point_at(patch, aws)
    for name, value in {**fleet.environment, "PYTHONPATH": str(REPOSITORY)}.items():
        patch.setenv(name, value)
