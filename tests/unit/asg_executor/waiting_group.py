"""A group that waits for its instance, as the instance sees it: states one after the other, answers kept."""

from collections.abc import Callable

from parjanya_dagster.asg_executor.errors import DeniedError, EdgeError
from parjanya_dagster.asg_executor.instance import FleetMember, Identity


class WaitingGroup(FleetMember):
    """The membership of an instance whose group says what a test wrote; the last word is repeated.

    Args:
        states: the instance's lifecycle states, or errors that looking raises.
        timeout_s: of the hook `boot`; None if there is no such hook.
        on_answer: called with each answer before it is kept.
    """

    def __init__(
        self,
        *states: str | EdgeError | None,
        timeout_s: float | None = 600,
        on_answer: Callable[[str], None] = lambda _answer: None,
    ) -> None:
        self.identity = Identity(instance_id="i-1", group="g")
        self.answers: list[str] = []
        self.refusals: list[EdgeError] = []
        self._states = list(states)
        self._timeout_s = timeout_s
        self._on_answer = on_answer

    def lifecycle_state(self) -> str | None:
        """See `FleetMember`."""
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, EdgeError):
            raise state
        return state

    def template_version(self) -> str | None:
        """See `FleetMember`."""
        if self.refusals:
            raise self.refusals.pop(0)
        return "41"

    def hook_timeout_s(self, hook: str) -> float | None:
        """See `FleetMember`."""
        assert hook == "boot"
        if self.refusals:
            raise self.refusals.pop(0)
        return self._timeout_s

    def prolong(self, hook: str) -> None:
        """See `FleetMember`."""
        self._take(f"{hook} goes on")

    def complete(self, hook: str, *, result: str) -> None:
        """See `FleetMember`."""
        self._take(f"{hook} {result}")

    def _take(self, answer: str) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self._on_answer(answer)
        self.answers.append(answer)


def not_awaited() -> DeniedError:
    """Return how Auto Scaling refuses an answer that it does not wait for."""
    return DeniedError("autoscaling:CompleteLifecycleAction", "No active Lifecycle Action found")
