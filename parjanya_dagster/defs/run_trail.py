"""The audit trail of runs: a materialization that changes Truth leaves an entry, whoever launched it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

import dagster as dg

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.trail import Recording, recorded, who_of_run


def recorded_run(
    context: dg.AssetExecutionContext, platform: Platform, *, before: Mapping[str, int] | None = None
) -> AbstractContextManager[Recording]:
    """Surround what a materialization changes with its entry; see `recorded`."""
    action = (
        f"materialize {context.asset_key.to_user_string()}[{context.partition_key}], run {context.run.run_id}"
    )
    return recorded(platform, who_of_run(context.run.tags), action, before=before)
