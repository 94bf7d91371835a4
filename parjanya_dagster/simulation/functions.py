"""Lambda: invocations that are retried, throttled and killed; and the events that cause them."""

from collections.abc import Callable
from functools import partial
from typing import Final

from parjanya_dagster.control.ingest import ingest_object
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.reconcile import Cycle, reconcile_rows, reconcile_world
from parjanya_dagster.core.names import ORIGINALS
from parjanya_dagster.core.ports import ObjectInfo
from parjanya_dagster.core.truth.identity import ImageKey
from parjanya_dagster.core.truth.row import ImageRow
from parjanya_dagster.simulation.draws import between
from parjanya_dagster.simulation.faults import Chaos, Fault
from parjanya_dagster.simulation.kernel import MS_PER_S, Kernel, Process

_INGEST_S: Final = 120
_STREAM_S: Final = 30
_SWEEP_S: Final = 120
_BATCH: Final = 100
_WINDOW_S: Final = 0.3
_RETRY_S: Final = 60.0
_THROTTLED_S: Final = (20.0, 90.0)
_LATE_S: Final = (30.0, 1200.0)
SWEEP_EVERY_S: Final = 60.0


class Functions:
    """The three functions of the product, and what invokes them.

    Args:
        alias: returns a short name of an image that stays the same when other faults are taken away.
        on_cycle: told of every cycle of reconciliation.
    """

    def __init__(
        self,
        kernel: Kernel,
        chaos: Chaos,
        platform: Platform,
        *,
        seed: str,
        alias: Callable[[str], str],
        on_cycle: Callable[[Cycle], None],
    ) -> None:
        self.running = 0
        self._kernel = kernel
        self._chaos = chaos
        self._platform = platform
        self._seed = seed
        self._alias = alias
        self._on_cycle = on_cycle
        self._records: dict[str, int] = {}
        self._batch: list[ImageKey] = []
        self._sweeps = 0

    def object_created(self, info: ObjectInfo) -> None:
        """Send an event of an object to ingestion, if the rule matches it."""
        if not info.key.startswith(ORIGINALS):
            return
        where = self._alias(info.key.split("/")[1])
        if self._chaos.strikes(Fault.UPLOAD_EVENT_LOST, where):
            return
        times = 1 + self._chaos.strikes(Fault.UPLOAD_EVENT_TWICE, where)
        for copy in range(times):
            delay = between(0.1, 1.0, self._seed, "event", where, copy)
            if self._chaos.strikes(Fault.UPLOAD_EVENT_LATE, f"{where}#{copy}"):
                delay = between(*_LATE_S, self._seed, "late event", where, copy)
            self._invoke(
                f"ingest {where}",
                lambda: ingest_object(self._platform, info.bucket, info.key, info.version_id),
                timeout_s=_INGEST_S,
                tries=3,
                delay_s=delay,
            )

    def row_written(self, row: ImageRow) -> None:
        """Send a record of the table's stream to reconciliation, if its filter matches."""
        if not row.is_gap:
            return
        alias = self._alias(row.key.image_id)
        number = self._records[alias] = self._records.get(alias, 0) + 1
        where = f"{alias}#{number}"
        if self._chaos.strikes(Fault.STREAM_RECORD_LOST, where):
            return
        if self._chaos.strikes(Fault.STREAM_RECORD_TWICE, where):
            delay = between(*_LATE_S, self._seed, "second record", where)
            self._kernel.promise(delay, lambda: self._put_record(row.key))
        delay = 0.0
        if self._chaos.strikes(Fault.STREAM_RECORD_LATE, where):
            delay = between(*_LATE_S, self._seed, "late record", where)
        self._kernel.promise(delay, lambda: self._put_record(row.key))

    def sweep_for_ever(self) -> None:
        """Invoke the schedule's function now, and every minute from now on."""
        self._sweeps += 1
        where = f"sweep {self._sweeps}"
        self._kernel.after(SWEEP_EVERY_S, self.sweep_for_ever)
        if self._chaos.strikes(Fault.SWEEP_SKIPPED, where):
            return
        for _ in range(1 + self._chaos.strikes(Fault.SWEEP_TWICE, where)):
            self._invoke(
                where, lambda: self._on_cycle(reconcile_world(self._platform)), timeout_s=_SWEEP_S, tries=1
            )

    def _put_record(self, key: ImageKey) -> None:
        if not self._batch:
            self._kernel.promise(_WINDOW_S, self._flush)
        self._batch.append(key)

    def _flush(self) -> None:
        for start in range(0, len(self._batch), _BATCH):
            keys = self._batch[start : start + _BATCH]
            self._invoke(
                f"stream {self._alias(keys[0].image_id)}",
                partial(self._reconcile, keys),
                timeout_s=_STREAM_S,
                tries=2,
            )
        self._batch = []

    def _reconcile(self, keys: list[ImageKey]) -> None:
        self._on_cycle(reconcile_rows(self._platform, keys))

    def _invoke(
        self, label: str, body: Callable[[], object], *, timeout_s: int, tries: int, delay_s: float = 0.0
    ) -> None:
        if self._chaos.strikes(Fault.INVOCATION_THROTTLED, f"{label}/{tries}"):
            delay_s += between(*_THROTTLED_S, self._seed, "throttled", label, tries)
        self.running += 1
        self._kernel.after(delay_s, lambda: self._start(label, body, timeout_s, tries))

    def _start(self, label: str, body: Callable[[], object], timeout_s: int, tries: int) -> None:
        self._kernel.steps += 1
        deadline_ms = self._kernel.now_ms + timeout_s * MS_PER_S
        process = Process(label, "lambda", deadline_ms=deadline_ms)

        def failed() -> None:
            self.running -= 1
            if tries > 1:
                self._invoke(label, body, timeout_s=timeout_s, tries=tries - 1, delay_s=_RETRY_S)

        def ended(error: BaseException | None) -> None:
            if error is not None:
                process.kill()
                return
            process.alive = False
            self.running -= 1

        process.on_death = failed
        self._kernel.spawn(process, label, body, then=ended)
