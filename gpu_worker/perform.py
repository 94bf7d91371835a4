"""Performing: effects of the worker's machine become calls of ports, and what came of them events.

Every effect is one small method; a store that does not answer becomes an event, anything else that is
raised is a defect. Where an effect runs is the launcher's business: in a thread of `drain`, or as an actor of
the simulator, so that both run this very code.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, assert_never

from gpu_worker.effects import (
    DeleteMessages,
    ExtendLeases,
    Fetch,
    Forget,
    ReadRows,
    Receive,
    RecordAttempt,
    ReleaseMessages,
    Settle,
)
from gpu_worker.engines.engine import ScorableImage
from gpu_worker.events import (
    AttemptRecorded,
    AttemptRefused,
    Dependency,
    DependencyFailed,
    Event,
    FetchConcluded,
    Fetched,
    LeasesExtended,
    MessagesReceived,
    OriginalNeeded,
    ReceiveFailed,
    RowsRead,
    Settled,
)
from gpu_worker.fetch import Scorable, from_original, from_previews
from gpu_worker.settle import record_attempt, settle
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.core.execution.outcome import Outcome, Retry
from parjanya_dagster.core.truth.row import ImageRow

Threaded = (
    Receive
    | ReadRows
    | Fetch
    | RecordAttempt
    | Settle
    | ExtendLeases
    | DeleteMessages
    | ReleaseMessages
    | Forget
)
Launch = Callable[[Threaded, Callable[[], None]], None]
"""Takes an effect and what performs it, and runs that, now or soon."""

_UNPLACED: Final = "unplaced"
_NO_MEMORY: Final = Retry(reason="host_out_of_memory", delay_s=30)


class Performer:
    """What performs effects, and the decoded images that wait for the engine.

    Args:
        scored_by: what heads and results are signed with.
        bucket_of: the engine's word on what an image's pass costs.
        launch: runs each effect.
        feed: takes events, from wherever effects run.
        is_held: whether the machine still holds a receipt.
        on_defect: takes what should never be raised, from wherever effects run.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        scored_by: str,
        bucket_of: Callable[[ScorableImage], str],
        launch: Launch,
        feed: Callable[[Event], None],
        is_held: Callable[[str], bool],
        on_defect: Callable[[BaseException], None],
    ) -> None:
        self.images: dict[str, Scorable] = {}
        self._platform = platform
        self._scored_by = scored_by
        self._bucket_of = bucket_of
        self._feed = feed
        self._is_held = is_held
        self._on_defect = on_defect
        self._launch = launch

    def start(self, effect: Threaded) -> None:
        """Let the effect be performed."""
        self._launch(effect, partial(self._perform, effect))

    def _perform(self, effect: Threaded) -> None:
        try:
            self._feed_back(effect)
        except BaseException as error:  # noqa: BLE001 -- a pool would swallow it; `on_defect` does not
            self._on_defect(error)

    def _feed_back(self, effect: Threaded) -> None:
        match effect:
            case Receive():
                self._receive(effect)
            case ReadRows():
                self._read_rows(effect)
            case Fetch():
                self._fetch(effect)
            case RecordAttempt():
                self._record_attempt(effect)
            case Settle():
                self._settle(effect)
            case ExtendLeases():
                self._extend_leases(effect)
            case DeleteMessages():
                self._drop(effect.receipts)
                self._call_queue(lambda: self._platform.queue.delete(effect.receipts))
            case ReleaseMessages():
                self._drop(effect.receipts)
                self._call_queue(
                    lambda: self._platform.queue.extend(effect.receipts, timeout_s=effect.delay_s)
                )
            case Forget():
                self._drop(effect.receipts)
            case _:
                assert_never(effect)

    def _receive(self, effect: Receive) -> None:
        try:
            received = self._platform.queue.receive(limit=effect.limit, wait_s=effect.wait_s)
        except EdgeError as error:
            self._feed(ReceiveFailed(detail=str(error)))
        else:
            self._feed(MessagesReceived(messages=tuple(received)))

    def _read_rows(self, effect: ReadRows) -> None:
        try:
            rows = {row.key: row for row in self._platform.images.get_many(list(effect.keys.values()))}
        except EdgeError as error:
            self._feed(
                DependencyFailed(dependency=Dependency.ROWS, receipts=tuple(effect.keys), detail=str(error))
            )
        else:
            self._feed(RowsRead(rows={receipt: rows.get(key) for receipt, key in effect.keys.items()}))

    def _fetch(self, effect: Fetch) -> None:
        try:
            fetched = self._fetched(effect)
        except EdgeError as error:
            self._feed(
                DependencyFailed(dependency=Dependency.OBJECTS, receipts=(effect.receipt,), detail=str(error))
            )
            return
        if fetched is None:
            self._feed(OriginalNeeded(receipt=effect.receipt))
            return
        if not isinstance(fetched, Scorable):
            self._feed(FetchConcluded(receipt=effect.receipt, outcome=fetched))
            return
        self.images[effect.receipt] = fetched
        self._feed(
            Fetched(
                receipt=effect.receipt,
                size_bytes=fetched.image.pixels.nbytes,
                bucket=self._bucket(fetched.image),
                decode_s=fetched.decode_s,
            )
        )
        if not self._is_held(effect.receipt):
            self._drop((effect.receipt,))

    def _bucket(self, image: ScorableImage) -> str:
        """Return the engine's word on an image; what it cannot even place, it refuses when it is asked."""
        try:
            return self._bucket_of(image)
        except Exception:  # noqa: BLE001 -- of any image, and never the fault of the drain
            return _UNPLACED

    def _fetched(self, effect: Fetch) -> Scorable | Outcome | None:
        """Return the image, what takes its place, or None where only its original can tell.

        This process' own memory running out is nobody's fault, and over once other images have gone.
        """
        try:
            if effect.from_original:
                return from_original(self._platform, effect.job, receive_count=effect.receive_count)
            return from_previews(self._platform, effect.job)
        except MemoryError:
            return _NO_MEMORY

    def _record_attempt(self, effect: RecordAttempt) -> None:
        try:
            recorded = record_attempt(self._platform, effect.job, effect.row)
        except EdgeError as error:
            self._feed(
                DependencyFailed(dependency=Dependency.ROWS, receipts=(effect.receipt,), detail=str(error))
            )
            return
        if isinstance(recorded, ImageRow):
            self._feed(AttemptRecorded(receipt=effect.receipt, row=recorded))
        else:
            self._feed(AttemptRefused(receipt=effect.receipt, outcome=recorded))

    def _settle(self, effect: Settle) -> None:
        """Settle one after the other; what a failing store prevented is returned, the rest stands."""
        outcomes: dict[str, Outcome] = {}
        unsettled: dict[str, str] = {}
        for settlement in effect.settlements:
            try:
                outcomes[settlement.receipt] = settle(self._platform, settlement, scored_by=self._scored_by)
            except EdgeError as error:
                unsettled[settlement.receipt] = str(error)
        if outcomes:
            self._feed(Settled(outcomes=outcomes))
        if unsettled:
            detail = next(iter(unsettled.values()))
            self._feed(DependencyFailed(dependency=Dependency.ROWS, receipts=tuple(unsettled), detail=detail))

    def _extend_leases(self, effect: ExtendLeases) -> None:
        visibility_s = int(self._platform.limits.visibility.total_seconds())
        try:
            held = set(self._platform.queue.extend(effect.receipts, timeout_s=visibility_s))
        except EdgeError as error:
            self._feed(DependencyFailed(dependency=Dependency.QUEUE, receipts=(), detail=str(error)))
            return
        lost = tuple(receipt for receipt in effect.receipts if receipt not in held)
        self._feed(LeasesExtended(held=tuple(held), lost=lost))

    def _call_queue(self, call: Callable[[], object]) -> None:
        """A message that could not be deleted or returned comes back by itself, and is then superseded."""
        try:
            call()
        except EdgeError as error:
            self._feed(DependencyFailed(dependency=Dependency.QUEUE, receipts=(), detail=str(error)))

    def _drop(self, receipts: Sequence[str]) -> None:
        for receipt in receipts:
            self.images.pop(receipt, None)
