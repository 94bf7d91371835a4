"""Selecting rows for a command: from the listing or by their ids, and then as they really are.

The listing lags, so what it names is read again, consistently, before anybody sees it.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from typing import Final

from parjanya_dagster.control.listing import all_images
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.tenants import registered_tenants
from parjanya_dagster.core.reconcile.replay_plan import Selection
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import ImageRow

_READ: Final = 100


def selected_rows(platform: Platform, selection: Selection) -> Iterator[ImageRow]:
    """Yield the rows that a selection means, each once; a tenant's newest first.

    Raises:
        InvalidRequestError: it names a tenant that is not registered.
    """
    keys = iter(selection.keys) if selection.keys else _listed(platform, selection)
    while batch := list(islice(keys, _READ)):
        rows = {row.key: row for row in platform.images.get_many(batch)}
        for key in batch:
            row = rows.get(key)
            if row is not None and selection.matches(row) and _has_fingerprint(platform, row, selection):
                yield row


def result_in_force(platform: Platform, row: ImageRow) -> Result | None:
    """Return the result behind a row's decision."""
    if row.result_id is None:
        return None
    found = (each for each in platform.images.results(row.key) if each.result_id == row.result_id)
    return next(found, None)


def _listed(platform: Platform, selection: Selection) -> Iterator[ImageKey]:
    known = registered_tenants(platform, selection.tenants)
    for tenant_id in selection.tenants or known:
        yield from _listed_of(platform, tenant_id, selection)


def _listed_of(platform: Platform, tenant_id: str, selection: Selection) -> Iterator[ImageKey]:
    rows = all_images(platform, tenant_id, before_image_id=selection.end_image_id)
    listed = (row.key for row in rows)
    return takewhile(lambda key: key.image_id >= selection.first_image_id, listed)


def _has_fingerprint(platform: Platform, row: ImageRow, selection: Selection) -> bool:
    if selection.fingerprint is None:
        return True
    result = result_in_force(platform, row)
    return result is not None and result.fingerprint == selection.fingerprint


def batches(rows: Sequence[ImageRow]) -> Iterator[Sequence[ImageRow]]:
    """Yield the rows in order, as many at a time as one read returns."""
    return (rows[start : start + _READ] for start in range(0, len(rows), _READ))
