"""API tokens, one per tenant and role. Only the sha256 of a secret is stored."""

from hashlib import sha256
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tenants import registered_tenants
from parjanya_dagster.core.errors import InvalidRequestError
from parjanya_dagster.core.names import checked_tenant
from parjanya_dagster.core.ports import Token

ROLES: Final = ("admin", "curator", "photographer")
_SECRET_BYTES: Final = 24


def issue_token(platform: Platform, *, tenant_id: str, role: str, subject: str) -> str:
    """Write a token and return its secret, which is shown this once.

    Args:
        role: one of `ROLES`.
        subject: who it is for, e.g. a photographer's name.

    Raises:
        InvalidRequestError: unknown tenant or role.
    """
    if role not in ROLES:
        raise InvalidRequestError(f"'{role}' is not a role; choose one of {', '.join(ROLES)}")
    registered_tenants(platform, [checked_tenant(tenant_id)])
    secret = f"pj_{platform.entropy(_SECRET_BYTES).hex()}"
    token = Token(tenant_id=tenant_id, role=role, subject=subject)
    platform.control.put_token(_digest(secret), token, now=platform.clock())
    return secret


def authenticate(platform: Platform, secret: str) -> Token | None:
    """Return who the secret speaks for, or None."""
    return platform.control.token(_digest(secret))


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
