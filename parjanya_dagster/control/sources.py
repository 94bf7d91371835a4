"""The registry of sources: foreign buckets that operators named as holding originals of a tenant.

Without an entry no job is built for an object outside the tenant's own bucket (incident 4), so that adopting
an archive is an act of a person and never of a wrong row.
"""

from collections.abc import Iterable

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tenants import registered_tenants
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import NO_SOURCES, TenantSources
from parjanya_dagster.core.records import RecordKind
from parjanya_dagster.core.truth.row import ImageRow


def register_source(platform: Platform, tenant_id: str, bucket: str, *, who: str) -> None:
    """Let a tenant's originals lie in a foreign bucket; repeating it changes nothing.

    Raises:
        InvalidRequestError: the tenant is not registered, or the bucket is one of this deployment's own.
    """
    check_source(platform, tenant_id, bucket)
    document = {"tenant": tenant_id, "bucket": bucket, "who": who, "at": platform.clock().isoformat()}
    platform.records.create(RecordKind.SOURCE, source_id(tenant_id, bucket), document)


def check_source(platform: Platform, tenant_id: str, bucket: str) -> None:
    """Check that a bucket could be registered as a tenant's source.

    Raises:
        InvalidRequestError: it could not.
    """
    registered_tenants(platform, [tenant_id])
    if platform.names.owns_bucket(bucket):
        raise InvalidRequestError(
            f"bucket '{bucket}' is this deployment's own: what lies in a tenant's bucket is found by itself"
        )


def sources_for(platform: Platform, rows: Iterable[ImageRow]) -> TenantSources:
    """Return the registered sources among the buckets that these rows name; uploads cost no read."""
    foreign = {
        (row.key.tenant_id, row.original.bucket)
        for row in rows
        if row.original is not None
        and row.original.bucket != platform.names.uploads_bucket(row.key.tenant_id)
    }
    if not foreign:
        return NO_SOURCES
    known = {pair for pair in foreign if platform.records.get(RecordKind.SOURCE, source_id(*pair))}
    return TenantSources(registered=frozenset(known))


def is_at_home(platform: Platform, row: ImageRow) -> bool:
    """Whether a row's object lies in its tenant's uploads bucket or in one of its sources, if it has any."""
    if row.original is None or row.original.bucket == platform.names.uploads_bucket(row.key.tenant_id):
        return True
    return sources_for(platform, [row]).admit(row.key.tenant_id, row.original.bucket)


def source_id(tenant_id: str, bucket: str) -> str:
    """Return the id of a source's record."""
    return f"{tenant_id}#{bucket}"
