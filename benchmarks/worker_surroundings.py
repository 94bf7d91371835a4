"""Where a worker is measured: with images as ingestion leaves them, over fakes or a local AWS process."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import publish_policy
from parjanya_dagster.core.intent.job import job_for
from parjanya_dagster.core.truth.result import IngestFacts
from parjanya_dagster.core.truth.technical import TechnicalLimits
from parjanya_dagster.imaging.decode import decode
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reader import ChildProcessReader
from parjanya_dagster.imaging.reading import Ingested
from parjanya_dagster.local.credentials import Profile, local_environment
from parjanya_dagster.local.deployment import deploy_locally
from parjanya_dagster.local.stack import LocalAws
from parjanya_dagster.policies.shipped import shipped_policy
from parjanya_dagster.settings import load_settings
from parjanya_dagster.simulation.fakes.platform import a_fake_platform
from parjanya_dagster.wiring import platform_from
from tests.builders import a_row, an_original, previews_of

_TENANT: Final = "bench"
_PREFIX: Final = "parjanya-bench"


class Source(StrEnum):
    """What is left of an image: the worker takes the best there is."""

    MODEL_GRID = "preview at the model's grid"
    DISPLAY = "preview for people, 1536 px"
    ORIGINAL = "original, 24 MP"


class Surroundings(StrEnum):
    """What the worker talks to."""

    FAKES = "fakes"
    ENDPOINT = "local AWS process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A file and what ingestion makes of it."""

    content: bytes
    ingested: Ingested

    @classmethod
    def of(cls, content: bytes) -> "Photo":
        """Return a photo, ingested.

        Raises:
            ValueError: ingestion rejects it.
        """
        ingested = decode(content, TechnicalLimits())
        if not isinstance(ingested, Ingested):
            raise ValueError(f"ingestion rejects it: {', '.join(ingested.reasons)}")  # noqa: TRY004 - a value's fault
        return cls(content=content, ingested=ingested)


Put = Callable[[str, str, bytes], object]


@contextmanager
def surrounded(by: Surroundings, photo: Photo, source: Source, *, images: int) -> Iterator[Platform]:
    """Give a platform whose queue holds so many images, as a worker sees it."""
    with over_fakes(photo) if by is Surroundings.FAKES else over_endpoint() as (operator, worker, put):
        fill(operator, photo, source, images, put)
        yield worker


@contextmanager
def over_fakes(photo: Photo) -> Iterator[tuple[Platform, Platform, Put]]:
    """Give fakes, with a decoder that is none and has started."""
    with Decoder() as decoder:
        decoder.read_at_grid(photo.content)
        fakes = a_fake_platform(plane="worker")
        reader = ChildProcessReader(decoder)
        platform = replace(fakes.platform(), clock=lambda: datetime.now(tz=UTC), reader=reader)
        yield platform, platform, fakes.objects.add


@contextmanager
def over_endpoint() -> Iterator[tuple[Platform, Platform, Put]]:
    """Give a local AWS process with everything deployed, and platforms with the rights of their roles."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as directory:
        aws = LocalAws.start(Path(directory), 0, ends_with_parent=True)
        try:
            deploy_locally(aws, prefix=_PREFIX)
            os.environ.update(local_environment(aws, Profile.OPERATOR, prefix=_PREFIX))
            operator = platform_from(load_settings(), plane="cli")
            operator.buckets.ensure(_TENANT)
            os.environ.update(local_environment(aws, Profile.WORKER, prefix=_PREFIX))
            worker = platform_from(load_settings(), plane="worker")

            def put(bucket: str, key: str, body: bytes) -> None:
                operator.objects.put(bucket, key, body, content_type="application/octet-stream")

            yield operator, worker, put
        finally:
            aws.stop()
            os.environ.clear()
            os.environ.update(before)


def fill(platform: Platform, photo: Photo, source: Source, count: int, put: Put) -> None:
    """Put images as ingestion leaves them, but for the previews that are lost, and send their jobs."""
    publish_policy(platform, shipped_policy().canonical)
    bucket = platform.names.uploads_bucket(_TENANT)
    for number in range(1, count + 1):
        row, now, intent_id = a_row(number, tenant_id=_TENANT), platform.clock(), f"intent-{number}"
        original = an_original(row.key, bucket=bucket, version_id=None)
        row = replace(row, original=original, intent_at=now, intent_id=intent_id)
        previews = previews_of(row.key)
        match source:
            case Source.MODEL_GRID:
                put(bucket, previews.model_key, photo.ingested.model_grid.content)
            case Source.DISPLAY:
                put(bucket, previews.display_key, photo.ingested.preview.content)
            case Source.ORIGINAL:
                put(bucket, original.key, photo.content)
        facts, exif = asdict(photo.ingested.facts), asdict(photo.ingested.exif)
        platform.images.put_facts(row.key, IngestFacts(technical=facts, exif=exif, at=now))
        platform.images.create(row)
        platform.queue.send([job_for(row, names=platform.names, intent_id=intent_id, now=now)])
