"""Materializing `vlm_scores`: the real worker and the real cpu engine drain fakes, step by step."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from gpu_worker.drain import DrainReport
from gpu_worker.phases import Phase
from parjanya_dagster.core.reconcile.capacity import CapacityLimits
from parjanya_dagster.core.truth.row import Status
from parjanya_dagster.defs.assets_scoring import FLEET_TAG, Unsettled, vlm_scores
from parjanya_dagster.defs.scoring_progress import Progress
from tests.builders import TENANT, a_row
from tests.dagster.stand_ins import WEB, materialized
from tests.unit.gpu_worker.line import Line, utc_now


@pytest.fixture
def line() -> Line:
    """Fakes on a running clock: the drain's threads wait for real."""
    return Line()


def test_vlm_scores_when_materialized_drains_the_backlog(line: Line, instance: dg.DagsterInstance) -> None:
    """Every planned row gets a verdict from the cpu engine, and names this run as its scorer."""
    rows = line.add_many(3)

    done = materialized(vlm_scores, TENANT, instance=instance, platform=line.platform)

    assert line.all_are(Status.ENRICHED)
    assert line.queue.jobs == []
    scored_by = {line.row(row.key).scored_by for row in rows}
    assert scored_by == {f"dagster:{done.run.run_id}:drain_intents[instance_0]"}
    assert done.metadata["planned_images"].value == 3
    assert done.table("outcomes") == [{"outcome": "completed", "attempts": 3}]
    assert done.table("scored_by") == [{"by": "this run", "images": 3}]
    assert {row["phase"] for row in done.table("where_time_goes")} >= {"read", "engine", "settle"}
    assert sum(row["images"] for row in done.table("verdicts")) == 3
    assert f"{WEB}/previews/{rows[0].key.image_id}" in done.metadata["samples"].value
    assert done.run.tags["tenant"] == TENANT


def test_vlm_scores_when_the_demand_needs_two_instances_maps_two_drains(
    line: Line, instance: dg.DagsterInstance
) -> None:
    """One drain per instance; together they settle what was planned, and both are accounted for."""
    line.add_many(4)
    slow = CapacityLimits(seconds_per_image=0.5, time_allowed=timedelta(seconds=1), max_instances=2)

    done = materialized(vlm_scores, TENANT, instance=instance, platform=replace(line.platform, capacity=slow))

    assert line.all_are(Status.ENRICHED)
    assert done.metadata["instances"].value == 2


def test_vlm_scores_when_another_tenant_waits_too_ends_with_its_own(
    line: Line, instance: dg.DagsterInstance
) -> None:
    """A queue cannot be selected from: others' jobs may be scored on the way, and are not accounted for."""
    line.add(1)
    line.add(2, tenant_id="other")

    done = materialized(vlm_scores, TENANT, instance=instance, platform=line.platform)

    assert done.metadata["planned_images"].value == 1
    assert done.table("rows_by_status") == [{"status": "enriched", "images": 1}]


def test_vlm_scores_without_a_backlog_takes_no_instance(line: Line, instance: dg.DagsterInstance) -> None:
    """Nothing to do is done by the plan alone: no step goes to the fleet."""
    done = materialized(vlm_scores, TENANT, instance=instance, platform=line.platform)

    assert done.metadata["instances"].value == 0
    assert done.metadata["planned_images"].value == 0


def test_drain_while_it_runs_is_observed_on_its_tenant(
    line: Line, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens the asset sees how far the run is, without waiting for its end."""
    monkeypatch.setattr("parjanya_dagster.defs.scoring_progress._OBSERVE_EVERY_S", 0.0)
    line.add_many(3)

    materialized(vlm_scores, TENANT, instance=instance, platform=line.platform)

    observed = instance.fetch_observations(vlm_scores.key, limit=10).records
    assert observed
    newest = observed[0].asset_observation
    assert newest is not None
    assert newest.partition == TENANT
    assert newest.metadata["images_done"].value == 3
    assert newest.metadata["images_left"].value == 0


def test_drain_step_is_the_only_one_for_the_fleet() -> None:
    """Plan and account run beside the executor; the drain carries the fleet's tag and its retries."""
    graph = vlm_scores.node_def
    assert isinstance(graph, dg.GraphDefinition)
    ops = {node.name: node.definition for node in graph.nodes}

    assert {name for name, op in ops.items() if FLEET_TAG.items() <= op.tags.items()} == {"drain_intents"}
    drain_op = ops["drain_intents"]
    assert isinstance(drain_op, dg.OpDefinition)
    assert drain_op.retry_policy is not None


def test_unsettled_when_a_row_waits_for_a_person_does_not_wait_for_it(line: Line) -> None:
    """A quarantined row would hold an instance until the deadline; so would a row that is gone."""
    waiting, quarantined = a_row(1, due_at=utc_now()), a_row(2, quarantined=True)
    line.images.add(waiting, quarantined)
    unsettled = Unsettled(line.platform, [waiting.key, quarantined.key, a_row(3).key])

    assert not unsettled.is_empty()
    line.images.add(replace(waiting, status=Status.ENRICHED))
    assert unsettled.is_empty()


def test_unsettled_when_many_rows_are_settled_reads_past_them(line: Line) -> None:
    """Settled rows are looked at once, a hundred at a time, however many there are."""
    rows = [a_row(number, status=Status.ENRICHED) for number in range(1, 251)]
    line.images.add(*rows)

    assert Unsettled(line.platform, [row.key for row in rows]).is_empty()
    assert line.calls.count("images.get_many") == 3


class Told:
    """A drain's progress on a clock of the test's, and what came of it."""

    def __init__(self, images: int, *, instances: int = 1, waiting: int | None = None) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.observed: list[Mapping[str, Any]] = []
        self.progress = Progress(
            [f"acme#{number}" for number in range(images)],
            instances=instances,
            waiting=lambda: images if waiting is None else waiting,
            log=self.lines.append,
            observe=self.observed.append,
            clock=lambda: self.now,
        )

    def tell(self, done: int, *, at_s: float) -> None:
        """Say how many images are done."""
        self.now = at_s
        settled = tuple(f"acme#{number}" for number in range(done))
        phases = {Phase.QUEUE: 7.0 * done, Phase.DECODE: 1.0 * done, Phase.ENGINE: 3.0 * done}
        self.progress.listen(
            DrainReport(outcomes={"completed": done}, settled=settled, seconds=at_s, phases=phases)
        )


def test_progress_when_told_every_second_does_not_flood_the_event_log() -> None:
    """Each line is a row of the event log: one in ten seconds, an observation in thirty, never per image."""
    told = Told(1000)

    for second in range(1, 61):
        told.tell(second * 10, at_s=second)

    assert len(told.lines) == 6
    assert len(told.observed) == 2


def test_progress_when_nothing_changes_says_nothing() -> None:
    """A worker that waits for a slow image for an hour writes one line about it."""
    told = Told(1000)

    for second in range(10, 600, 10):
        told.tell(0, at_s=second)

    assert told.lines == ["0 completed; 0.0 images/s; 1000 left"]
    assert told.observed == []


def test_progress_says_what_is_done_and_left_and_where_time_goes() -> None:
    """Numbers that Dagster plots over time, and a table of stages whose shares leave out the queue."""
    told = Told(100, instances=2)

    told.tell(40, at_s=40)

    (metadata,) = told.observed
    assert {name: metadata[name] for name in ("images_done", "images_left", "images_per_s")} == {
        "images_done": 40,
        "images_left": 60,
        "images_per_s": 1.0,
    }
    assert metadata["seconds_left"] == 30
    assert [record.data for record in metadata["where_time_goes"].records] == [
        {"phase": "queue", "s_per_image": 7.0, "percent": 0.0},
        {"phase": "decode", "s_per_image": 1.0, "percent": 25.0},
        {"phase": "engine", "s_per_image": 3.0, "percent": 75.0},
    ]
    assert told.lines == ["40 completed; 1.0 images/s; 60 left, about 30 s"]


def test_progress_counts_what_other_instances_have_done() -> None:
    """What was found settled is not left, whoever scored it."""
    told = Told(100, waiting=10)

    told.tell(40, at_s=40)

    assert told.observed[0]["images_left"] == 10
