"""What a worker says of itself: how far its boot came, and a pulse while it lives.

The pulse has a thread of its own, so that a long step or a slow engine does not look like death; what the
worker holds and when it last got on with it travels along, so that hanging does not look like life.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as Flag
from threading import Lock, Thread
from typing import Final

from gpu_worker.boot.failures import BootFailedError
from gpu_worker.drain import DrainReport
from parjanya_dagster.control.capacity import write_boot, write_pulse
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.boot import Boot, BootFailure, BootStage, TracedStage
from parjanya_dagster.core.belief.pulse import Pulse
from parjanya_dagster.core.errors import EdgeError

PULSE_EVERY_S: Final = 15.0
_AT_MOST_EVERY_S: Final = 2.0
_LONGEST_ERROR: Final = 500

log = logging.getLogger("gpu_worker")


class Vitals:
    """One worker's boot and pulse. Truth that cannot be written stops no worker.

    Args:
        template_version: version of the launch template, where the worker can know it.
        every_s: seconds between two pulses; one that begins or ceases to hold work says so sooner.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        instance_id: str,
        template_version: str | None = None,
        every_s: float = PULSE_EVERY_S,
    ) -> None:
        now = platform.clock()
        self._platform = platform
        self._instance_id = instance_id
        self._template_version = template_version
        self._every_s = every_s
        self._started_at = now
        self._progress_at = now
        self._stage = "booting"
        self._boot_stage = BootStage.STARTED
        self._trace: tuple[TracedStage, ...] = ()
        self._held = 0
        self._settled_before = 0
        self._report = DrainReport()
        self._lock = Lock()
        self._changed = Flag()
        self._ended = Flag()
        self._is_beating = False

    def enter_service(self) -> None:
        """Report the boot ready, once, and pulse from now on."""
        if self._boot_stage is not BootStage.READY:
            self.reach(BootStage.READY)
        self.start()

    def start(self) -> None:
        """Pulse from now on, until `end`."""
        if self._is_beating:
            return
        self._is_beating = True
        Thread(target=self._beat_on, name="pulse", daemon=True).start()

    def end(self) -> None:
        """Pulse no more."""
        self._ended.set()
        self._changed.set()

    @contextmanager
    def booting(self, first: BootStage = BootStage.STARTED) -> Iterator[None]:
        """Report the boot around the block: its first stage, and what ended it if anything did."""
        self.reach(first)
        try:
            yield
        except Exception as error:
            self._write_boot(self._boot_stage, error=error)
            raise

    def reach(self, stage: BootStage, *, trace: tuple[TracedStage, ...] | None = None) -> None:
        """Report that the boot's next stage begins; once it is ready the pulse says that it idles.

        One that was ready and is warmed again, since scale-in returned its instance, boots once more.

        Args:
            trace: stages of the boot's pipeline until now; what was noted before if None.
        """
        if trace is not None:
            self._trace = trace
        if stage is BootStage.WARMING and self._boot_stage in (BootStage.WARMING, BootStage.READY):
            if self._boot_stage is BootStage.WARMING:
                return
            self._started_at, self._trace = self._platform.clock(), ()
        self._boot_stage = stage
        self._write_boot(stage)
        if stage is BootStage.READY:
            self.idle("ready")

    def note(self, trace: tuple[TracedStage, ...]) -> None:
        """Note a stage of the boot's pipeline that ended; the next report carries it."""
        self._trace = trace

    def idle(self, stage: str) -> None:
        """Say what the worker does while it holds nothing."""
        with self._lock:
            self._settled_before += len(self._report.settled)
            self._report = DrainReport()
            self._stage = stage

    def follow(self, report: DrainReport) -> None:
        """Note what a drain has done so far; any outcome is progress, and so is holding nothing."""
        with self._lock:
            got_on = sum(report.outcomes.values()) != sum(self._report.outcomes.values())
            if got_on or not report.held or not self._report.held:
                self._progress_at = self._platform.clock()
            if bool(report.held) != bool(self._report.held):
                self._changed.set()  # whether it holds work decides whether the fleet is idle: say so at once
            self._stage = "draining"
            self._report = report

    def pulse(self) -> Pulse:
        """Return the worker's pulse as of now."""
        now = self._platform.clock()
        with self._lock:
            return Pulse(
                instance_id=self._instance_id,
                at=now,
                progress_at=self._progress_at if self._report.held else now,
                held=self._report.held,
                settled=self._settled_before + len(self._report.settled),
                stage=self._stage,
                template_version=self._template_version,
            )

    def beat(self) -> None:
        """Write the pulse once."""
        try:
            write_pulse(self._platform, self.pulse())
        except EdgeError as error:
            log.warning("pulse_not_written", extra={"error": str(error)})

    def _beat_on(self) -> None:
        while not self._ended.is_set():
            self._changed.clear()
            self.beat()
            self._ended.wait(min(self._every_s, _AT_MOST_EVERY_S))
            self._changed.wait(max(self._every_s - _AT_MOST_EVERY_S, 0.0))

    def _write_boot(self, stage: BootStage, *, error: Exception | None = None) -> None:
        named = error.failure if isinstance(error, BootFailedError) else BootFailure.UNEXPECTED
        boot = Boot(
            instance_id=self._instance_id,
            started_at=self._started_at,
            stage=stage,
            at=self._platform.clock(),
            error=(str(error) or repr(error))[:_LONGEST_ERROR] if error else None,
            failure=named if error else None,
            trace=self._trace,
            template_version=self._template_version,
        )
        try:
            write_boot(self._platform, boot)
        except EdgeError as failure:
            log.warning("boot_not_reported", extra={"stage": stage, "error": str(failure)})
