"""Answers as the facts that rules read."""

from collections.abc import Sequence

import polars as pl

from parjanya_dagster.core.policy.facts import facts_of
from parjanya_dagster.core.truth.answers import Answers


def facts_frame(answers: Sequence[Answers], fingerprint: str) -> pl.DataFrame:
    """Return one row of facts per image."""
    return pl.DataFrame(
        [
            facts_of(
                tenant="acme",
                priority="normal",
                answers=each.to_document(),
                technical=None,
                exif=None,
                fingerprint=fingerprint,
            )
            for each in answers
        ],
        infer_schema_length=None,
    )
