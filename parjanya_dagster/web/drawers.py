"""What lies behind a head: facts of ingestion and the decided result, remembered: they never change."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Final

from parjanya_dagster.core.ports import ImageStore
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.result import IngestFacts, Result
from parjanya_dagster.core.truth.row import ImageRow

_CAPACITY: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawer:
    """What is known of an image beyond its head."""

    facts: IngestFacts | None
    result: Result | None


class Drawers:
    """Reads facts and results once per image and result; safe to share between threads."""

    def __init__(self, images: ImageStore) -> None:
        self._images = images
        self._known: OrderedDict[tuple[ImageKey, str | None], Drawer] = OrderedDict()
        self._lock = Lock()

    def of(self, row: ImageRow) -> Drawer:
        """Return what is known of an image; rows that still move are read every time."""
        place = (row.key, row.result_id)
        with self._lock:
            if known := self._known.get(place):
                self._known.move_to_end(place)
                return known
        results = self._images.results(row.key) if row.result_id else []
        drawer = Drawer(
            facts=self._images.facts(row.key),
            result=next((each for each in results if each.result_id == row.result_id), None),
        )
        if row.status.is_settled:
            with self._lock:
                self._known[place] = drawer
                if len(self._known) > _CAPACITY:
                    self._known.popitem(last=False)
        return drawer
