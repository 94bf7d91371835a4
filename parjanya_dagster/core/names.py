"""Names of everything Parjanya owns in an AWS account, derived from one prefix and the account.

Names are derived, never discovered: a wrong name is then a refused call and not a silent empty read.
"""

import re
from dataclasses import dataclass
from typing import Final

from parjanya_dagster.core.errors import InvalidRequestError

TENANT_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{1,30}")
ORIGINALS = "originals/"
PREVIEWS = "previews/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Resource names of one deployment.

    Args:
        prefix: deployment prefix, e.g. `parjanya-local`.
        account: 12-digit account id; part of bucket names, which are global.
    """

    prefix: str
    account: str

    @property
    def images_table(self) -> str:
        """Table of image rows, facts and results."""
        return f"{self.prefix}-images"

    @property
    def control_table(self) -> str:
        """Table of everything else that is Truth."""
        return f"{self.prefix}-control"

    @property
    def steps_table(self) -> str:
        """The asg_executor's leases."""
        return f"{self.prefix}-steps"

    @property
    def intents_queue(self) -> str:
        """Queue of jobs."""
        return f"{self.prefix}-intents"

    @property
    def dead_letter_queue(self) -> str:
        """Dead letters of the intents queue."""
        return f"{self.prefix}-intents-dead"

    @property
    def steps_queue(self) -> str:
        """The asg_executor's step queue."""
        return f"{self.prefix}-steps"

    @property
    def gpu_group(self) -> str:
        """Auto Scaling group of the workers."""
        return f"{self.prefix}-gpu"

    @property
    def artifacts_bucket(self) -> str:
        """Platform bucket: compute logs, Parquet, reports."""
        return f"{self.prefix}-{self.account}-artifacts"

    @property
    def uploads_buckets(self) -> str:
        """What the names of every tenant's bucket begin with, and no other's."""
        return f"{self.prefix}-{self.account}-t-"

    def uploads_bucket(self, tenant_id: str) -> str:
        """Bucket of one tenant's originals and previews."""
        return f"{self.uploads_buckets}{checked_tenant(tenant_id)}"

    def tenant_of_bucket(self, bucket: str) -> str | None:
        """Return the tenant a bucket belongs to, or None for a bucket that is not a tenant's."""
        tenant_id = bucket.removeprefix(self.uploads_buckets)
        is_ours = bucket.startswith(self.uploads_buckets) and TENANT_PATTERN.fullmatch(tenant_id)
        return tenant_id if is_ours else None

    def owns_bucket(self, bucket: str) -> bool:
        """Whether a bucket is one of this deployment's own: a tenant's, or the platform's."""
        return bucket == self.artifacts_bucket or self.tenant_of_bucket(bucket) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSources:
    """Foreign buckets from which originals were adopted, as operators registered them.

    Args:
        registered: pairs of tenant and bucket.
    """

    registered: frozenset[tuple[str, str]]

    def admit(self, tenant_id: str, bucket: str) -> bool:
        """Whether a bucket may hold originals of this very tenant."""
        return (tenant_id, bucket) in self.registered


NO_SOURCES: Final = TenantSources(registered=frozenset())
"""What every tenant has whose images all came by upload."""


def checked_tenant(tenant_id: str) -> str:
    """Return `tenant_id` unchanged.

    Raises:
        InvalidRequestError: it is not 2-31 characters of a-z, 0-9 and '-', starting with a letter or digit.
    """
    if not TENANT_PATTERN.fullmatch(tenant_id):
        raise InvalidRequestError(
            f"'{tenant_id}' cannot name a tenant: use 2 to 31 of a-z, 0-9 and '-', "
            "starting with a letter or a digit",
        )
    return tenant_id


def original_key(image_id: str, file_name: str) -> str:
    """Return the object key of an original; the image id in it is what adoption rebuilds a row from."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", file_name.rsplit("/", 1)[-1])[-80:].lstrip(".") or "image"
    return f"{originals_folder(image_id)}{safe}"


def originals_folder(image_id: str) -> str:
    """Return the prefix of an uploaded original's key: what is left of it when its file name is erased."""
    return f"{ORIGINALS}{image_id}/"


def previews_folder(image_id: str) -> str:
    """Return the prefix of the keys of an image's previews."""
    return f"{PREVIEWS}{image_id}/"


def image_id_of_key(key: str) -> str | None:
    """Return the image id in an original's key, or None for any other key (previews included)."""
    match = re.fullmatch(rf"{ORIGINALS}([0-9a-f-]{{36}})/[^/]+", key)
    return match.group(1) if match else None
