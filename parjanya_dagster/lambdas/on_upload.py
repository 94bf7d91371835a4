"""Lambda: an object was created in a tenant's bucket (EventBridge) → ingest it."""

import logging
from functools import cache
from typing import Any

from parjanya_dagster.control.ingest import ingest_object
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.telemetry import configure_logging
from parjanya_dagster.wiring import platform_from_environment

LOG = logging.getLogger("parjanya.on_upload")


@cache
def _platform() -> Platform:
    configure_logging()
    return platform_from_environment("lambda")


def handler(event: dict[str, Any], _context: object = None) -> dict[str, str]:
    """Ingest the object an EventBridge `Object Created` event names."""
    detail = event["detail"]
    bucket, key = detail["bucket"]["name"], detail["object"]["key"]
    outcome = ingest_object(_platform(), bucket, key, detail["object"].get("version-id"))
    LOG.info("upload_ingested", extra={"bucket": bucket, "key": key, "outcome": outcome.value})
    return {"outcome": outcome.value}
