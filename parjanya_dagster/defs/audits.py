"""The audit of Truth as a Dagster job: every night what is recent, once a week everything."""

from typing import Any, Final

import dagster as dg

from parjanya_dagster.control.audit import audit_document, audit_intents, audit_tenant
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.truth.conservation import WindowAudit
from parjanya_dagster.defs.partitions import TENANTS
from parjanya_dagster.defs.resources import PlatformResource
from parjanya_dagster.defs.run_tags import PRIORITY, Priority, run_tags

_FULL_ON: Final = 6  # Sunday, when uploads are few


class AuditConfig(dg.Config):
    """What is audited.

    Attributes:
        tenant: the tenant's id; empty compares stamps with messages, which no tenant owns alone.
        full: read closed days again too.
    """

    tenant: str = ""
    full: bool = False


@dg.op
def audit_truth(context: dg.OpExecutionContext, config: AuditConfig, platform: PlatformResource) -> None:
    """Compare a tenant's originals with its rows, or all stamps with all messages."""
    world = platform.get()
    metadata = _tenant(context, world, config) if config.tenant else _intents(world)
    context.add_output_metadata(metadata)


@dg.job(description="Originals against rows, and stamps against messages; kept in Truth for checks.")
def audit() -> None:
    """Audit one tenant, or the stamps of all."""
    audit_truth()


@dg.schedule(job=audit, cron_schedule="30 1 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_audit_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """Audit every tenant once a night, and read even closed days on Sundays."""
    full = context.scheduled_execution_time.weekday() == _FULL_ON
    tenants = sorted(context.instance.get_dynamic_partitions(str(TENANTS.name)))
    return [_request("", full=False), *(_request(tenant, full=full) for tenant in tenants)]


def _request(tenant: str, *, full: bool) -> dg.RunRequest:
    config = dg.RunConfig(ops={"audit_truth": AuditConfig(tenant=tenant, full=full)})
    tags = run_tags(tenant, priority=Priority.LOW) if tenant else {PRIORITY: Priority.LOW.value}
    return dg.RunRequest(run_config=config, tags=tags)


def _tenant(context: dg.OpExecutionContext, world: Platform, config: AuditConfig) -> dict[str, Any]:
    def told(window: WindowAudit) -> None:
        context.log.info(
            "%s: %d originals, %d unaccounted", window.window.since.date(), window.originals, window.residue
        )

    document = audit_document(audit_tenant(world, config.tenant, full=config.full, progress=told))
    if document["residue"] or document["changed"]:
        context.log.warning(
            "%s: %d images unaccounted for; %d closed days changed",
            config.tenant,
            document["residue"],
            len(document["changed"]),
        )
    residues = document.pop("residues")
    return {**document, "residues": dg.MetadataValue.json(residues)}


def _intents(world: Platform) -> dict[str, Any]:
    intents = audit_intents(world)
    unaccounted = "blind" if intents.unaccounted is None else intents.unaccounted
    return {"stamps": intents.stamps, "unaccounted": unaccounted, "samples": list(intents.samples)}
