"""The code location loads, and its surface is what was last agreed on: partitions and names keep history."""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

SURFACE = Path(__file__).parent / "surface.txt"
CHECKOUT = Path(__file__).parents[2]
REGENERATE = "PARJANYA_WRITE_SURFACE"


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    """The repository of the code location, resolved as the code server resolves it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PARJANYA_", "AWS_"))]:
            if name != REGENERATE:
                patch.delenv(name)
        from parjanya_dagster.definitions import defs  # noqa: PLC0415 - imported without a deployment's environment

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            resolved = defs()
            dg.Definitions.validate_loadable(resolved)
            return resolved.get_repository_def()


def _surface_of(repository: dg.RepositoryDefinition) -> Iterator[str]:
    graph = repository.asset_graph
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        partitions = node.partitions_def
        names = getattr(partitions, "partition_dimension_names", None) or [getattr(partitions, "name", "-")]
        yield f"asset {key.to_user_string()}"
        yield f"  group {node.group_name}; owners {', '.join(sorted(node.owners))}"
        yield f"  tags {', '.join(f'{k}={v}' for k, v in sorted(node.tags.items()))}"
        yield f"  partitions {' x '.join(names)}"
        yield f"  deps {', '.join(sorted(each.to_user_string() for each in node.parent_keys)) or '-'}"
        checks = sorted(check.name for check in node.check_keys)
        yield f"  checks {', '.join(checks) or '-'}"
    for job in sorted(repository.get_all_jobs(), key=lambda each: each.name):
        if not job.name.startswith("__"):
            dimension = getattr(job.partitions_def, "name", "-")
            yield f"job {job.name}; executor {job.executor_def.name}; partitions {dimension}"
    for sensor in sorted(repository.sensor_defs, key=lambda each: each.name):
        period = sensor.minimum_interval_seconds
        yield f"sensor {sensor.name}; every {period} s; {sensor.default_status.value}"
    for schedule in sorted(repository.schedule_defs, key=lambda each: each.name):
        yield f"schedule {schedule.name}; {schedule.cron_schedule}; {schedule.default_status.value}"
    for name in sorted(repository.get_top_level_resources()):
        yield f"resource {name}"


def test_surface_is_the_agreed_one(repository: dg.RepositoryDefinition) -> None:
    """Names, groups, tags, partitions and deps change on purpose; PARJANYA_WRITE_SURFACE=1 writes them."""
    surface = "\n".join(_surface_of(repository)) + "\n"
    if os.environ.get(REGENERATE):
        SURFACE.write_text(surface)

    assert surface == SURFACE.read_text()


def test_every_asset_and_check_explains_itself(repository: dg.RepositoryDefinition) -> None:
    """Descriptions are what a person reads in the UI: each is there and short."""
    graph = repository.asset_graph
    for key in graph.get_all_asset_keys():
        description = graph.get(key).description or ""
        assert 40 < len(description) < 500, key
        for check in graph.get(key).check_keys:
            assert graph.get_check_spec(check).description, check


def test_workspace_and_instance_load_without_a_local_endpoint(tmp_path: Path) -> None:
    """The two files that Dagster's processes start from are valid, on AWS too, where no endpoint is named."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(CHECKOUT / "dagster.yaml", home / "dagster.yaml")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "DAGSTER_HOME": str(home),
        "PARJANYA_ARTIFACTS_BUCKET": "artifacts",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    with pytest.MonkeyPatch.context() as patch:
        for name in environment.keys() - os.environ.keys() | {"PARJANYA_ARTIFACTS_BUCKET"}:
            patch.setenv(name, environment[name])
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            assert type(instance.compute_log_manager).__name__ == "S3ComputeLogManager"
            assert instance.get_settings("retention")["sensor"]["purge_after_days"]["skipped"] == 1


def test_executor_raises_the_fleet_no_further_than_the_price_cap_pays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every plane asks for the same most: a launched step is no way around the cap."""
    monkeypatch.setenv("PARJANYA_PRICE_CAP_USD", "1.7")
    from parjanya_dagster.definitions import defs  # noqa: PLC0415 - as above

    executor = defs().executor

    assert isinstance(executor, dg.ExecutorDefinition)
    config: Any = executor.apply_config_mapping({"config": {}}).value
    assert config["config"]["max_instances"] == 2
