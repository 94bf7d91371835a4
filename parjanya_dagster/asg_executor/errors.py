"""The errors of the executor: one tree, so that callers branch on a type and never on a message.

They exist because the loop of Dagster's step-delegating executor logs an exception and goes on: an error
that has no type of its own would be lost there, or would end a run that only had to wait.
"""


class AsgExecutorError(Exception):
    """Root of everything this package raises on purpose."""


class ConfigError(AsgExecutorError):
    """The executor or the agent was configured wrongly; the message says which setting and what to do."""


class StepTooLargeError(AsgExecutorError):
    """A packed step is larger than a queue message may be."""


class InvalidStepMessageError(AsgExecutorError):
    """A queue message is not a step of ours, or of a version this code does not read."""


class EdgeError(AsgExecutorError):
    """An AWS call failed. `operation` names it, e.g. "sqs:ReceiveMessage"."""

    def __init__(self, operation: str, detail: str) -> None:
        super().__init__(f"{operation} failed: {detail}")
        self.operation = operation


class UnavailableError(EdgeError):
    """The call may succeed later: throttling, a timeout, an outage."""


class DeniedError(EdgeError):
    """The call will not succeed without a change: permissions, a missing resource, a refused request."""


class LostWriteError(EdgeError):
    """A conditional write found another state than it was planned from: an answer rather than a fault."""
