"""Resources that stand in for AWS: the fakes' platform, and a bucket in a dictionary."""

from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg
from dagster_aws.s3 import S3Resource

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.assets_policy import policy_decisions
from parjanya_dagster.defs.assets_scoring import vlm_scores
from parjanya_dagster.defs.assets_truth import uploads, validated_images
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import a_job, a_row

Tick = dg.SensorResult | dg.SkipReason
WEB = "http://web.test"
ASSETS = [uploads, validated_images, vlm_intents, vlm_scores, policy_decisions]


@dataclass
class Bucket:
    """What was put, by key; has of S3's client what the definitions use."""

    objects: dict[str, bytes] = field(default_factory=dict)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803 - S3's own names
        """See S3's client."""
        self.objects[f"s3://{Bucket}/{Key}"] = Body


def platform_resource(platform: Platform) -> PlatformResource:
    """Return a resource that gives out `platform`; Dagster copies resources, hence a class of its own."""

    class StandIn(PlatformResource):
        def get(self) -> Platform:
            return platform

    return StandIn(web_url=WEB)


def s3_resource(bucket: Bucket) -> S3Resource:
    """Return a resource whose client is `bucket`."""

    class StandIn(S3Resource):
        def get_client(self) -> Any:  # noqa: ANN401 - as in dagster-aws
            return bucket

    return StandIn()


@dataclass(frozen=True, kw_only=True)
class Materialized:
    """What a materialization left: the run, and the metadata of the asset."""

    run: dg.DagsterRun
    metadata: dict[str, Any]

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table in the metadata."""
        return rows_of(self.metadata[name])


def rows_of(metadata: object) -> list[dict[str, Any]]:
    """Return the rows of a table of metadata; "none" has no rows."""
    if not isinstance(metadata, dg.TableMetadataValue):
        return []
    return [dict(record.data) for record in metadata.records]


def materialized(
    asset: dg.AssetsDefinition,
    partition: str,
    *,
    instance: dg.DagsterInstance,
    platform: Platform,
    bucket: Bucket | None = None,
    run_config: dict[str, Any] | None = None,
) -> Materialized:
    """Materialize one partition in this process, as a person would without any tags."""
    result = dg.materialize(
        ASSETS,
        selection=[asset],
        partition_key=partition,
        instance=instance,
        resources={
            "platform": platform_resource(platform),
            "s3": s3_resource(bucket or Bucket()),
            "io_manager": dg.mem_io_manager,
        },
        run_config=run_config,
    )
    (event,) = result.get_asset_materialization_events()
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return Materialized(run=run, metadata=dict(event.materialization.metadata))


def a_backlog(world: FakePlatform, *tenants: str) -> None:
    """Put one stamped row and its job for each tenant."""
    for number, tenant in enumerate(tenants, start=1):
        row = a_row(number, tenant_id=tenant)
        world.images.add(replace(row, intent_at=world.clock(), intent_id=f"intent-{number}", emissions=1))
        world.queue.send([a_job(row, intent_id=f"intent-{number}", now=world.clock())])
