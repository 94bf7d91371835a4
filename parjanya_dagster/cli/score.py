"""What `parjanya score --json` prints: the record of `inspect`, and how the image would be judged.

It takes the worker's own path from pixels to verdict, with the policy that came with the package, so it
works with nothing running and says what the platform would say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from gpu_worker.fetch import scorable
from gpu_worker.score import Scorer, Subject, judge
from parjanya_dagster.cli.inspect import read_path, record_of
from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.truth.row import Verdict
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reading import Ingested
from parjanya_dagster.policies.shipped import shipped_policy

_NOBODYS_TENANT: Final = "local"
_PRIORITY: Final = "normal"


def packaged_policy() -> CompiledPolicy:
    """Return the policy that came with the package, ready to judge."""
    return compile_policy(shipped_policy())


def score_paths(
    paths: Iterable[Path], decoder: Decoder, scorer: Scorer, policy: CompiledPolicy
) -> Iterator[dict[str, Any]]:
    """Yield one record per path, in order."""
    for path in paths:
        yield score_record(path, decoder, scorer, policy)


def score_record(path: Path, decoder: Decoder, scorer: Scorer, policy: CompiledPolicy) -> dict[str, Any]:
    """Return the contract's record of one path.

    A file that could not be read or decoded has no answers; its verdict is reject, for those reasons.
    """
    reading = read_path(path, decoder)
    record = record_of(path, reading)
    version = policy.policy.version
    if not isinstance(reading, Ingested):
        refused = {"answers": {}, "scores": {}, "verdict": Verdict.REJECT.value}
        return record | refused | {"reason_codes": record["reasons"], "policy_version": version}
    image = scorable(reading.model_grid.content, technical=asdict(reading.facts), exif=asdict(reading.exif))
    (judged,) = judge(
        scorer, policy, [Subject(tenant_id=_NOBODYS_TENANT, priority=_PRIORITY, scorable=image)]
    )
    answers = judged.answers.to_document()
    return record | {
        "answers": {question: answer["probabilities"] for question, answer in answers.items()},
        "scores": {
            question: answer["score"] for question, answer in answers.items() if answer["score"] is not None
        },
        "verdict": judged.decision.verdict.value,
        "reason_codes": list(judged.decision.reason_codes),
        "policy_version": version,
    }
