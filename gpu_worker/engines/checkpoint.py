"""What can be wrong with a checkpoint: names that boot reports, whichever engine found it out.

No torch here: who reports a fault need not be able to load a model.
"""

from enum import StrEnum

from parjanya_dagster.core.errors import ConfigError


class CheckpointFault(StrEnum):
    """Why a checkpoint must not score."""

    MISSING_FILE = "missing_file"
    UNREADABLE = "unreadable"
    REMOTE_CODE = "remote_code"
    WRONG_MODEL = "wrong_model"
    WRONG_TENSORS = "wrong_tensors"
    WRONG_ATTENTION = "wrong_attention"
    WRONG_PREPROCESSING = "wrong_preprocessing"
    WRONG_TOKENS = "wrong_tokens"


class CheckpointError(ConfigError):
    """A checkpoint that loads badly, or that would load and answer nonsense."""

    def __init__(self, fault: CheckpointFault, detail: str) -> None:
        """Take the fault's name and what a person should know."""
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
