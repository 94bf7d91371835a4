"""Exit statuses: one meaning each, for whoever scripts the commands (docs/operations.md lists them)."""

from typing import Final

FAILED: Final = 1
"""It could not be done, or not to its end; standard error says why."""

FOUND: Final = 1
"""It ran, and what was looked for is there: a finding, something unaccounted for, a broken promise."""

INCOMPLETE: Final = 2
"""Some of what was named could not be read or sent; the rest was done."""

UNFINISHED: Final = 3
"""An erasure has something left, or may still be written to: repeat it."""

STOPPED: Final = 130
"""Ctrl-C stopped it, in order."""
