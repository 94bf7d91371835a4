"""The lifecycle hook with which a group waits for its instances to boot, answered by the instance itself.

A warm pool needs it: without one, its instances are stopped in the middle of their boot. A group that has no
such hook waits for nobody, and everything here but looking does nothing.
"""

import logging
from threading import Event, Thread

from parjanya_dagster.asg_executor.errors import DeniedError, EdgeError
from parjanya_dagster.asg_executor.instance import FleetMember, Standing, standing_of

log = logging.getLogger("asg_executor.boot")

_BEATS_PER_TIMEOUT = 3
_RETRY_S = 10.0


class BootHook:
    """One instance's boot, as its group waits for it.

    Args:
        name: the lifecycle hook; "" if nobody waits.
    """

    def __init__(self, member: FleetMember, *, name: str) -> None:
        self._member = member
        self._name = name
        self._state: str | None = None
        self._answered: str | None = None
        self._has_booted = Event()

    def begin(self) -> None:
        """Keep the group waiting from now until the first answer, however long the boot takes."""
        if self._name and self._member.identity.group is not None:
            Thread(target=self._prolong, name="boot-hook", daemon=True).start()

    def look(self) -> Standing:
        """Return where the instance stands; in service if no group owns it.

        Raises:
            EdgeError: AWS did not answer, which says nothing about the instance.
        """
        if self._member.identity.group is None:
            return Standing.IN_SERVICE
        self._state = self._member.lifecycle_state()
        if self._state != self._answered:
            self._answered = None
        return standing_of(self._state)

    def answer(self) -> None:
        """Tell the group that the instance has booted, if the last look showed that it waits for that.

        An instance is waited for again when it leaves the pool, or returns to it: each time it says so once.

        Raises:
            UnavailableError: AWS did not answer: look and answer again.
        """
        self._has_booted.set()
        if not self._is_awaited or self._state == self._answered:
            return
        try:
            self._member.complete(self._name, result="CONTINUE")
            log.info("boot_completed", extra={"hook": self._name, "lifecycle_state": self._state})
        except DeniedError as error:  # another hook is waited for, or the timeout was faster
            log.warning("boot_not_awaited", extra={"hook": self._name, "error": str(error)})
        self._answered = self._state

    def abandon(self) -> bool:
        """Tell the group that the boot failed; return whether it waited, and so ends the instance now."""
        self._has_booted.set()
        if not self._name or self._member.identity.group is None:
            return False
        try:
            self._member.complete(self._name, result="ABANDON")
        except EdgeError as error:  # the hook's own timeout, or the instance's silence, will tell
            log.warning("boot_not_abandoned", extra={"hook": self._name, "error": str(error)})
            return False
        log.error("boot_abandoned", extra={"hook": self._name})
        return True

    @property
    def _is_awaited(self) -> bool:
        is_waiting = self._state is not None and self._state.endswith(":Wait")
        return bool(self._name) and is_waiting and standing_of(self._state) is not Standing.LEAVING

    def _prolong(self) -> None:
        while not self._has_booted.is_set():
            try:
                timeout_s = self._member.hook_timeout_s(self._name)
                if timeout_s is None:
                    return
                if not self._has_booted.wait(timeout_s / _BEATS_PER_TIMEOUT):
                    self._member.prolong(self._name)
            except DeniedError as error:  # not waited for (any more): nothing to prolong
                log.info("boot_not_prolonged", extra={"hook": self._name, "error": str(error)})
                return
            except EdgeError as error:
                log.warning("boot_not_prolonged", extra={"hook": self._name, "error": str(error)})
                self._has_booted.wait(_RETRY_S)
