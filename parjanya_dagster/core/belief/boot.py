"""A boot: how far a worker came on its way to the first receive, written before any log exists.

Silence then has a name: the last stage that was reported, how long each one took, and what ended the boot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from parjanya_dagster.core.belief.signals import Blind, Reading


class BootStage(StrEnum):
    """Where a boot stands. Each stage is reported when it begins."""

    STARTED = "started"
    WARMING = "warming"
    """It only fills the warm pool: ready to be stopped, and nothing is received."""
    VERIFYING = "verifying"
    LOADING = "loading"
    READY = "ready"


class BootFailure(StrEnum):
    """What ended a boot. Each is terminal: the same machine with the same files would end the same."""

    MANIFEST_MISSING = "manifest_missing"
    MANIFEST_INVALID = "manifest_invalid"
    INCOMPATIBLE = "incompatible"
    FILE_MISSING = "file_missing"
    FILE_UNLISTED = "file_unlisted"
    SIZE_DIFFERS = "size_differs"
    HASH_DIFFERS = "hash_differs"
    REMOTE_CODE = "remote_code"
    CONFIG_INVALID = "config_invalid"
    INDEX_INCOMPLETE = "index_incomplete"
    SHARD_TRUNCATED = "shard_truncated"
    DTYPE_OR_SHAPE_DIFFERS = "dtype_or_shape_differs"
    TOKENIZER_MISSING = "tokenizer_missing"
    LABEL_TOKENS_DIFFER = "label_tokens_differ"
    LOAD_INCOMPLETE = "load_incomplete"
    GOLDEN_MISSING = "golden_missing"
    GOLDEN_DIFFERS = "golden_differs"
    FILE_UNREADABLE = "file_unreadable"
    DEVICE_MISSING = "device_missing"
    OUT_OF_MEMORY = "out_of_memory"
    MISCONFIGURED = "misconfigured"
    UNEXPECTED = "unexpected"

    @classmethod
    def _missing_(cls, value: object) -> "BootFailure":
        """Return the catch-all for the name that a newer worker may have for its failure."""
        del value
        return cls.UNEXPECTED

    @property
    def blames_model(self) -> bool:
        """The model's files are at fault, so that every instance of the same image ends the same."""
        return self not in _OF_THE_MACHINE


_OF_THE_MACHINE: Final = frozenset(
    {
        BootFailure.FILE_UNREADABLE,
        BootFailure.DEVICE_MISSING,
        BootFailure.OUT_OF_MEMORY,
        BootFailure.MISCONFIGURED,
        BootFailure.UNEXPECTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedStage:
    """One stage of the boot's pipeline.

    Args:
        name: of the stage, finer than `BootStage`.
        seconds: it took; None while it is under way, and of the one that ended the boot.
        detail: what it found, for a person.
    """

    name: str
    seconds: float | None = None
    detail: str = ""

    def document(self) -> dict[str, Any]:
        """Return the stage as part of a boot's document."""
        return {"name": self.name, "seconds": self.seconds, "detail": self.detail}


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One start of a worker's process.

    Args:
        started_at: when the process began.
        stage: the last stage reported.
        at: when it was reported.
        error: what ended the boot in that stage; None while none did.
        failure: its name in the closed set; None while none did, and where the worker knew no names.
        trace: stages of the pipeline so far, in their order.
        template_version: version of the launch template, where the worker can know it.
    """

    instance_id: str
    started_at: datetime
    stage: BootStage
    at: datetime
    error: str | None = None
    failure: BootFailure | None = None
    trace: tuple[TracedStage, ...] = ()
    template_version: str | None = None

    @property
    def boot_id(self) -> str:
        """Id of its record; begins with its time, so that the newest come first."""
        return f"{self.started_at.isoformat(timespec='microseconds')}#{self.instance_id}"

    @property
    def is_ready(self) -> bool:
        """It came up."""
        return self.error is None and self.stage is BootStage.READY

    @property
    def refused_model(self) -> bool:
        """It ended because of the model's files; without a name for that: while it verified them."""
        if self.failure is None:
            return self.error is not None and self.stage is BootStage.VERIFYING
        return self.failure.blames_model

    def document(self) -> dict[str, Any]:
        """Return the boot as a record's document."""
        return {
            "instance_id": self.instance_id,
            "started_at": self.started_at.isoformat(),
            "stage": self.stage.value,
            "at": self.at.isoformat(),
            "error": self.error,
            "failure": self.failure.value if self.failure else None,
            "trace": [each.document() for each in self.trace],
            "template_version": self.template_version,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the boot of a record; one from before there were traces has none."""
        failure = document.get("failure")
        return cls(
            instance_id=document["instance_id"],
            started_at=datetime.fromisoformat(document["started_at"]),
            stage=BootStage(document["stage"]),
            at=datetime.fromisoformat(document["at"]),
            error=document["error"],
            failure=BootFailure(failure) if failure else None,
            trace=tuple(TracedStage(**each) for each in document.get("trace", ())),
            template_version=document["template_version"],
        )


BootsSignal = Reading[tuple[Boot, ...]] | Blind
"""The newest boots, newest first."""
