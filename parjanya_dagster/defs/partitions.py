"""Partitions, final from the start: changing them would orphan history."""

from typing import Final

import dagster as dg

TENANTS: Final = dg.DynamicPartitionsDefinition(name="tenant")
POLICY_VERSIONS: Final = dg.DynamicPartitionsDefinition(name="policy_version")
POLICY_BY_TENANT: Final = dg.MultiPartitionsDefinition({"policy_version": POLICY_VERSIONS, "tenant": TENANTS})
