"""What a forecast rests on: every number with its unit, where it comes from, and how well it is known.

No number below was measured on a GPU of ours: all are printed, and each can be replaced on the command line.
"""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from math import isfinite
from typing import Any, Final

from parjanya_dagster.core.errors import InvalidRequestError

INSTANCE_TYPES: Final = ("g5.xlarge", "g6.xlarge", "g6e.xlarge", "p5.4xlarge")
"""Types with a price and a throughput below: one A10G, L4, L40S and H100 each."""

_MIB: Final = 2**20
_HOUR_S: Final = 3600.0
_HOURS_A_MONTH: Final = 730.0
_GP3_INCLUDED_MIB_PER_S: Final = 125.0
_LIST_PRICE: Final = "EC2 on demand, us-east-1; list price, changeable"
_ROOFLINE: Final = "packed prefill, 576 visual tokens, 12 questions: roofline at MFU "


class Kind(StrEnum):
    """How well a number is known."""

    MEASURED = "measured"
    PUBLISHED = "published"
    ASSUMED = "assumed"


def _known(value: float, unit: str, kind: Kind, source: str, *, at_least: float = 0.0) -> Any:  # noqa: ANN401 - stands where dataclasses.field would
    return field(default=value, metadata={"unit": unit, "kind": kind, "source": source, "at_least": at_least})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One assumption as it is printed."""

    name: str
    value: float
    unit: str
    kind: Kind
    source: str
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an instance type costs and does."""

    instance_type: str
    usd_per_h: float
    images_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """The numbers of a forecast; each field's unit and source are its metadata, read by `facts`.

    Raises:
        InvalidRequestError: a value is not finite or below what makes sense.
    """

    sequential_cold_s: float = _known(1800, "s", Kind.PUBLISHED, "original system: 20 to 40 min")
    sequential_s_per_image: float = _known(
        13,
        "s/image",
        Kind.PUBLISHED,
        "original system; roofline of one 200-token answer on an L4",
        at_least=0.01,
    )
    sequential_usd_per_h: float = _known(
        1.1267,
        "USD/h",
        Kind.ASSUMED,
        "ml.g6.xlarge as EC2 + 40 % (ml.g5.xlarge's surcharge); list price, changeable",
    )
    night_h: float = _known(12, "h", Kind.ASSUMED, "an endpoint kept on all night, or until done")

    night_images: int = _known(3000, "images", Kind.PUBLISHED, "original system: one night", at_least=1)
    photographers: int = _known(24, "uploads", Kind.ASSUMED, "who come home that evening", at_least=1)
    evening_h: float = _known(5, "h", Kind.ASSUMED, "18:00 to 23:00; the nightly endpoint starts at its end")
    upload_s_per_image: float = _known(2, "s/image", Kind.ASSUMED, "5 MB at 20 Mbit/s")

    deadline_s: float = _known(3600, "s", Kind.ASSUMED, "our wish: every wave done within", at_least=1)
    price_cap_usd_per_h: float = _known(
        100, "USD/h", Kind.ASSUMED, "our wish: all instances together cost at most; changeable"
    )
    max_instances: int = _known(32, "instances", Kind.ASSUMED, "the group's maximum", at_least=1)
    warm_pool: int = _known(
        1, "instances", Kind.ASSUMED, "stopped instances in the pool; further ones start cold"
    )

    reaction_s: float = _known(2, "s", Kind.ASSUMED, "budget: object created to capacity call, p95")
    launch_cold_s: float = _known(243, "s", Kind.PUBLISHED, "AWS sample, direct launch (t2.micro)")
    launch_warm_s: float = _known(36, "s", Kind.PUBLISHED, "AWS sample, start from a warm pool (t2.micro)")
    weights_gb: float = _known(17.53, "GB", Kind.PUBLISHED, "Qwen3-VL-8B-Instruct, bf16")
    snapshot_mib_per_s: float = _known(
        300,
        "MiB/s",
        Kind.PUBLISHED,
        "fastest VolumeInitializationRate: a cold volume's first read",
        at_least=1,
    )
    volume_mib_per_s: float = _known(
        500, "MiB/s", Kind.ASSUMED, "gp3 as provisioned: a hydrated volume's read", at_least=1
    )
    verify_s: float = _known(
        10, "s", Kind.ASSUMED, "dummy batch per bucket and golden images, before the first job"
    )
    idle_s: float = _known(
        140, "s", Kind.ASSUMED, "to zero at the soonest: 20 s idle agent, then two readings a minute apart"
    )
    longest_keep_s: float = _known(900, "s", Kind.ASSUMED, "our default: never kept idle for longer")
    billing_minimum_s: float = _known(60, "s", Kind.PUBLISHED, "EC2 bills by the second, from 60 s")
    volume_gb: float = _known(60, "GB", Kind.ASSUMED, "system, libraries and weights")
    volume_usd_per_gb_month: float = _known(
        0.08, "USD", Kind.PUBLISHED, "gp3, us-east-1; list price, changeable"
    )
    volume_usd_per_mib_s_month: float = _known(
        0.04, "USD", Kind.PUBLISHED, "gp3 above 125 MiB/s, us-east-1; list price, changeable"
    )

    g5_xlarge_usd_per_h: float = _known(1.006, "USD/h", Kind.PUBLISHED, _LIST_PRICE, at_least=1e-3)
    g6_xlarge_usd_per_h: float = _known(0.8048, "USD/h", Kind.PUBLISHED, _LIST_PRICE, at_least=1e-3)
    g6e_xlarge_usd_per_h: float = _known(1.861, "USD/h", Kind.PUBLISHED, _LIST_PRICE, at_least=1e-3)
    p5_4xlarge_usd_per_h: float = _known(
        6.88,
        "USD/h",
        Kind.ASSUMED,
        "an eighth of p5.48xlarge, published tables disagree; list price, changeable",
    )
    g5_xlarge_images_per_s: float = _known(
        3.3, "images/s", Kind.ASSUMED, _ROOFLINE + "0.75 (A10G)", at_least=1e-3
    )
    g6_xlarge_images_per_s: float = _known(
        3.9, "images/s", Kind.ASSUMED, _ROOFLINE + "0.50 (L4)", at_least=1e-3
    )
    g6e_xlarge_images_per_s: float = _known(
        12.7, "images/s", Kind.ASSUMED, _ROOFLINE + "0.55 (L40S)", at_least=1e-3
    )
    p5_4xlarge_images_per_s: float = _known(
        34.6, "images/s", Kind.ASSUMED, _ROOFLINE + "0.55 (H100)", at_least=1e-3
    )

    def __post_init__(self) -> None:
        """Refuse what no forecast can be made from."""
        for fact in fields(self):
            value, least = getattr(self, fact.name), fact.metadata["at_least"]
            if not isfinite(value) or value < least:
                raise InvalidRequestError(f"{fact.name} is {value:g}; it must be a number from {least:g}")

    @property
    def cold_start_s(self) -> float:
        """Seconds from an arrival until a new instance may receive: call, launch, first read, proof."""
        read_s = self.weights_gb * 1e9 / (self.snapshot_mib_per_s * _MIB)
        return self.reaction_s + self.launch_cold_s + read_s + self.verify_s

    @property
    def warm_start_s(self) -> float:
        """The same for an instance of the pool, whose volume is hydrated."""
        read_s = self.weights_gb * 1e9 / (self.volume_mib_per_s * _MIB)
        return self.reaction_s + self.launch_warm_s + read_s + self.verify_s

    @property
    def volume_usd_per_s(self) -> float:
        """What one instance's volume costs, running or stopped."""
        throughput = max(self.volume_mib_per_s - _GP3_INCLUDED_MIB_PER_S, 0) * self.volume_usd_per_mib_s_month
        month = self.volume_gb * self.volume_usd_per_gb_month + throughput
        return month / (_HOURS_A_MONTH * _HOUR_S)

    def offer(self, instance_type: str) -> Offer:
        """Return price and throughput of one of INSTANCE_TYPES.

        Raises:
            InvalidRequestError: nothing is assumed about the type.
        """
        if instance_type not in INSTANCE_TYPES:
            raise InvalidRequestError(
                f"No price of {instance_type} is known; known: {', '.join(INSTANCE_TYPES)}"
            )
        stem = instance_type.replace(".", "_")
        return Offer(
            instance_type=instance_type,
            usd_per_h=getattr(self, f"{stem}_usd_per_h"),
            images_per_s=getattr(self, f"{stem}_images_per_s"),
        )

    def facts(self) -> tuple[Fact, ...]:
        """Return all of them in order, as they are printed."""
        return tuple(
            Fact(
                name=each.name,
                value=getattr(self, each.name),
                unit=each.metadata["unit"],
                kind=each.metadata["kind"],
                source=each.metadata["source"],
                changed=getattr(self, each.name) != each.default,
            )
            for each in fields(self)
        )
