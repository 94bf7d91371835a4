"""Onboarding a tenant: its bucket and its registry marker, and nothing else anywhere (incident 5)."""

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.names import checked_tenant


def add_tenant(platform: Platform, tenant_id: str) -> str:
    """Create and configure the tenant's bucket and write its marker; return the bucket's name.

    Raises:
        InvalidRequestError: `tenant_id` cannot name a tenant.
    """
    bucket = platform.buckets.ensure(checked_tenant(tenant_id))
    # The marker comes last: a registered tenant has a bucket.
    platform.control.register_tenant(tenant_id, now=platform.clock())
    return bucket
