"""The one tree of errors: raised where nobody can continue.

What a caller branches on is a value instead (`Outcome`, `Blind`). Edges translate their library's
errors into `EdgeError` once, so that nothing above them knows boto3.
"""


class ParjanyaError(Exception):
    """Any error with a message written for a person: what was wrong, where, and what to do."""


class ConfigError(ParjanyaError):
    """Settings are missing, contradict each other, or do not fit the world."""


class IllegalTransitionError(ParjanyaError):
    """An event that the lifecycle does not allow in the row's status."""


class InvalidIntentError(ParjanyaError):
    """A job that must not be built: its object is not confirmed, or lies in a foreign bucket."""


class InvalidRequestError(ParjanyaError):
    """A caller's request that cannot be served as it stands: unknown tenant, bad name, wrong token."""


class EdgeError(ParjanyaError):
    """A call to the outside that failed."""


class UnavailableError(EdgeError):
    """The outside did not answer, throttled, or answered 5xx: the same call may succeed later."""


class DeniedError(EdgeError):
    """The outside refused for lack of permission: the same call will fail until somebody acts."""
