"""Runs in the audit trail: a materialization that changes Truth says who launched it."""

import dagster as dg
import pytest

from parjanya_dagster.control.trail import trail
from parjanya_dagster.core.names import original_key
from parjanya_dagster.defs.assets_intent import vlm_intents
from parjanya_dagster.defs.assets_truth import uploads, validated_images
from parjanya_dagster.simulation.fakes.platform import FakePlatform
from tests.builders import NAMES, TENANT, a_key
from tests.dagster.stand_ins import materialized


@pytest.mark.parametrize("asset", [uploads, validated_images, vlm_intents])
def test_materialization_when_launched_by_hand_leaves_who_what_and_counts(
    world: FakePlatform, instance: dg.DagsterInstance, asset: dg.AssetsDefinition
) -> None:
    """Changing Truth from the UI is no quieter than changing it from a shell."""
    bucket = NAMES.uploads_bucket(TENANT)
    world.objects.add(bucket, original_key(a_key(1).image_id, "found.jpg"), b"bytes")

    done = materialized(asset, TENANT, instance=instance, platform=world.platform())

    (entry,) = trail(world.platform(), limit=9)
    name = asset.key.to_user_string()
    assert (entry.who, entry.outcome) == ("dagster ui", "done")
    assert entry.action == f"materialize {name}[{TENANT}], run {done.run.run_id}"
    if asset is uploads:
        assert dict(entry.before) == {"adopt": 1, "overdue": 0}
        assert dict(entry.after) == {"adopt:validated": 1}
