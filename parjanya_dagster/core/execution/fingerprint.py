"""Fingerprints: which weights, prompts, pixels and machine an answer came from.

Two answers may be compared, or one carried over instead of asked again, only if these agree. The parts are
kept readable, so that a difference can be named.
"""

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintParts:
    """Everything that can change an answer without the image changing.

    Args:
        weights: content hash of the weights manifest.
        prompt_pack: id and content hash of the questions.
        decode_path: how bytes became the pixels that were scored.
        bucket: the image-size bucket, or the pixel budget where there are none.
        dtype: arithmetic, e.g. `bfloat16`.
        engine: name and version of the code that computed.
        hardware: architecture that computed, e.g. `sm_89`; `cpu` where results do not depend on it.
    """

    weights: str
    prompt_pack: str
    decode_path: str
    bucket: str
    dtype: str
    engine: str
    hardware: str

    @property
    def digest(self) -> str:
        """The fingerprint: sha256 over the canonical JSON of the parts, 64 hex digits."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()
