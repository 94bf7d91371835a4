"""Identity of an image: tenant and a UUIDv7, whose order is the order of time."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from zlib import crc32

SHARDS = 4
"""Shards of every index partition: enough to spread writes, few enough that a sweep reads them all."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ImageKey:
    """The key of an image row."""

    tenant_id: str
    image_id: str

    @property
    def shard(self) -> int:
        """Shard of this image in every sharded index, in [0, SHARDS)."""
        return crc32(self.image_id.encode()) % SHARDS

    def __str__(self) -> str:
        return f"{self.tenant_id}#{self.image_id}"


def image_key_from(text: str) -> ImageKey:
    """Return the key written as `tenant#image`.

    Raises:
        ValueError: `text` has no '#'.
    """
    tenant_id, _, image_id = text.partition("#")
    if not image_id:
        raise ValueError(f"'{text}' is not tenant#image")
    return ImageKey(tenant_id=tenant_id, image_id=image_id)


def new_image_id(now: datetime, entropy: bytes) -> str:
    """Return a UUIDv7.

    Args:
        now: aware time; its milliseconds lead the id.
        entropy: 10 random bytes.

    Source: RFC 9562, section 5.7
    """
    millis = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    tail = int.from_bytes(entropy[:10], "big")
    value = (
        (millis << 80) | (0x7 << 76) | ((tail >> 62) & 0xFFF) << 64 | (0b10 << 62) | (tail & ((1 << 62) - 1))
    )
    return str(uuid.UUID(int=value))


def created_at_of(image_id: str) -> datetime:
    """Return the time inside a UUIDv7, to the millisecond.

    Raises:
        ValueError: not a UUID.
    """
    return datetime.fromtimestamp((uuid.UUID(image_id).int >> 80) / 1000, tz=UTC)
