"""Tenants: a bucket and a registry marker make one, and nothing else anywhere (incident 5)."""

from collections.abc import Iterable

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import InvalidRequestError
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


def registered_tenants(platform: Platform, asked: Iterable[str] = ()) -> list[str]:
    """Return every registered tenant, once it is certain that those asked for are among them.

    Raises:
        InvalidRequestError: one of them is not registered.
    """
    known = platform.control.tenants()
    if strangers := sorted(set(asked) - set(known)):
        raise InvalidRequestError(
            f"not registered: {', '.join(strangers)}; see `parjanya tenant list`, "
            f"or add it with: parjanya tenant add {strangers[0]}"
        )
    return known
