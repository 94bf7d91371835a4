"""Technical reasons: what a header alone forbids."""

from dataclasses import replace
from typing import Any

import pytest

from parjanya_dagster.core.truth.technical import (
    TechnicalFacts,
    TechnicalLimits,
    TechnicalReason,
    technical_reasons,
)

FACTS = TechnicalFacts(size_bytes=1000, format="JPEG", width=6000, height=4000)
LIMITS = TechnicalLimits(max_bytes=2000, max_pixels=24_000_000, min_side_px=16)


def test_picture_within_bounds_has_no_reason() -> None:
    """Limits are inclusive."""
    assert technical_reasons(FACTS, LIMITS) == ()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"size_bytes": 0}, TechnicalReason.EMPTY),
        ({"size_bytes": 2001}, TechnicalReason.TOO_MANY_BYTES),
        ({"format": "GIF"}, TechnicalReason.UNSUPPORTED_FORMAT),
        ({"format": None}, TechnicalReason.UNSUPPORTED_FORMAT),
        ({"width": 6001}, TechnicalReason.TOO_MANY_PIXELS),
        ({"width": 15}, TechnicalReason.TOO_SMALL),
    ],
)
def test_each_bound_has_its_reason(changed: dict[str, Any], reason: TechnicalReason) -> None:
    """Every bound that is crossed is named by its own code."""
    assert technical_reasons(replace(FACTS, **changed), LIMITS) == (reason,)


def test_all_reasons_are_named_at_once() -> None:
    """A person who fixes one fault must not find the next one only then."""
    facts = replace(FACTS, size_bytes=5000, width=10**9, height=1)

    assert technical_reasons(facts, LIMITS) == (
        TechnicalReason.TOO_MANY_BYTES,
        TechnicalReason.TOO_MANY_PIXELS,
        TechnicalReason.TOO_SMALL,
    )


def test_unknown_size_is_left_to_the_decoder() -> None:
    """A header without a size is not a reason by itself."""
    assert technical_reasons(replace(FACTS, width=None, height=None), LIMITS) == ()
