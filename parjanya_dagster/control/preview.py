"""Previewing a policy version over a tenant's images: reads Truth, touches none of it."""

from datetime import datetime

import polars as pl

from parjanya_dagster.control.listing import all_images
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.selection import result_in_force
from parjanya_dagster.core.policy.decide import CompiledPolicy
from parjanya_dagster.core.policy.facts import facts_of
from parjanya_dagster.core.policy.preview import Preview, Tariff, preview_policy
from parjanya_dagster.core.policy.regrade import ROW_COLUMNS
from parjanya_dagster.core.policy.rules import DTYPES
from parjanya_dagster.core.truth.row import ImageRow


def preview_tenant(platform: Platform, tenant_id: str, compiled: CompiledPolicy, tariff: Tariff) -> Preview:
    """Return what a policy version would change about every image of a tenant."""
    cutoff: datetime = platform.clock()
    records = [_record(platform, row) for row in all_images(platform, tenant_id)]
    facts = {name: DTYPES[fact.kind] for name, fact in compiled.policy.fact_types.items()}
    frame = pl.DataFrame(records, schema=facts | dict(ROW_COLUMNS), strict=False)
    return preview_policy(frame, compiled, cutoff=cutoff, tariff=tariff)


def _record(platform: Platform, row: ImageRow) -> dict[str, object]:
    facts = platform.images.facts(row.key)
    current = result_in_force(platform, row)
    return {
        **facts_of(
            tenant=row.key.tenant_id,
            priority=row.priority,
            answers=current.answers if current else None,
            technical=facts.technical if facts else None,
            exif=facts.exif if facts else None,
            fingerprint=current.fingerprint if current else None,
        ),
        "tenant": row.key.tenant_id,
        "image_id": row.key.image_id,
        "generation": row.generation,
        "status": row.status.value,
        "current_verdict": row.decision.verdict.value if row.decision else None,
        "current_policy": row.decision.policy_version if row.decision else None,
        "answered_pack": current.prompt_pack if current else None,
    }
