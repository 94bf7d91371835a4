"""Names of everything Parjanya owns in an AWS account, derived from one prefix and the account.

Names are derived, never discovered: a wrong name is then a refused call and not a silent empty read.
"""

import re
from dataclasses import dataclass
from typing import Final

from parjanya_dagster.core.errors import InvalidRequestError

TENANT_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{1,30}")
FLEET_PATTERN: Final = re.compile(r"([a-z][a-z0-9-]{0,15})(?::([0-9]+(?:\.[0-9]+)?))?")
USUAL_FLEET: Final = "default"
"""What a person calls the fleet that every image is sent to unless its row names another."""
MOST_FLEETS: Final = 9
"""Beside the usual one: a dead-letter queue may be named by ten queues. Source: SQS, RedriveAllowPolicy"""
_TAKEN: Final = frozenset({USUAL_FLEET, "dead"})
"""Names that would make the usual fleet ambiguous, or a queue of the dead-letter queue."""
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

    def fleet_queue(self, fleet: str) -> str:
        """Queue of the jobs of an extra fleet."""
        return f"{self.prefix}-intents-{fleet}"

    @property
    def dead_letter_queue(self) -> str:
        """Dead letters of every queue of jobs."""
        return f"{self.prefix}-intents-dead"

    @property
    def steps_queue(self) -> str:
        """The asg_executor's step queue."""
        return f"{self.prefix}-steps"

    @property
    def gpu_group(self) -> str:
        """Auto Scaling group of the workers."""
        return f"{self.prefix}-gpu"

    def fleet_group(self, fleet: str) -> str:
        """Auto Scaling group of an extra fleet's workers."""
        return f"{self.prefix}-gpu-{fleet}"

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


def fleets_in(text: str) -> dict[str, float | None]:
    """Return the extra fleets that a setting names, each with the price of its instance in USD per hour.

    Args:
        text: e.g. `large:1.861,huge`; without a price an instance costs what the usual fleet's does.

    Raises:
        ValueError: a name cannot be used, is named twice, or there are too many.
    """
    fleets: dict[str, float | None] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        match = FLEET_PATTERN.fullmatch(each)
        if match is None or match[1] in _TAKEN or match[1] in fleets or (match[2] and not float(match[2])):
            raise ValueError(
                f"'{each}' cannot be a fleet: write NAME or NAME:USD_PER_HOUR, once; a name is 1 to 16 of "
                f"a-z, 0-9 and '-', begins with a letter, and is neither of {', '.join(sorted(_TAKEN))}"
            )
        fleets[match[1]] = float(match[2]) if match[2] else None
    if len(fleets) > MOST_FLEETS:
        raise ValueError(f"{len(fleets)} fleets beside the usual one are too many: {MOST_FLEETS} at most")
    return fleets


def remembered_as(what: str, fleet: str | None) -> str:
    """Return the name under which something is remembered of a fleet; None is the usual one."""
    return what if fleet is None else f"{what}@{fleet}"


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
