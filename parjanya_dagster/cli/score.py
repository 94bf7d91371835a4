"""What `parjanya score --json` prints: the record of `inspect`, and how the image would be judged.

It takes the worker's own path from pixels to verdict, with the policy that came with the package, so it
works with nothing running and says what the platform would say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Final

from gpu_worker.fetch import scorable
from gpu_worker.prompts.pack import DEFAULT_PACK
from gpu_worker.score import Judged, Scorer, Subject, judge
from parjanya_dagster.cli.inspect import read_path, record_of
from parjanya_dagster.core.policy.decide import CompiledPolicy, compile_policy
from parjanya_dagster.core.truth.row import Verdict
from parjanya_dagster.imaging.decoder import Decoder
from parjanya_dagster.imaging.reading import Ingested, Rejected
from parjanya_dagster.policies.shipped import shipped_policy_for

_NOBODYS_TENANT: Final = "local"
_PRIORITY: Final = "normal"


def packaged_policy(pack_id: str = DEFAULT_PACK) -> CompiledPolicy:
    """Return the policy that came with the package for the answers to a prompt pack, ready to judge.

    Raises:
        ConfigError: none of them judges this pack.
    """
    return compile_policy(shipped_policy_for(pack_id))


def score_paths(
    paths: Iterable[Path], decoder: Decoder, scorer: Scorer, policy: CompiledPolicy, *, at_once: int = 1
) -> Iterator[dict[str, Any]]:
    """Yield the contract's record of each path, in order.

    A file that could not be read or decoded has no answers; its verdict is reject, for those reasons.

    Args:
        at_once: files that are read before the engine is asked; where they are many, its batches are full.
    """
    waiting = iter(paths)
    while some := list(islice(waiting, at_once)):
        readings = [read_path(path, decoder) for path in some]
        subjects = [_subject(reading) for reading in readings if isinstance(reading, Ingested)]
        judged = iter(judge(scorer, policy, subjects) if subjects else ())
        for path, reading in zip(some, readings, strict=True):
            judgement = (
                _judged_record(next(judged)) if isinstance(reading, Ingested) else _refused_record(reading)
            )
            yield record_of(path, reading) | judgement | {"policy_version": policy.policy.version}


def _subject(reading: Ingested) -> Subject:
    image = scorable(reading.model_grid.content, technical=asdict(reading.facts), exif=asdict(reading.exif))
    return Subject(tenant_id=_NOBODYS_TENANT, priority=_PRIORITY, scorable=image)


def _refused_record(reading: Rejected) -> dict[str, Any]:
    reasons = [str(reason) for reason in reading.reasons]
    return {"answers": {}, "scores": {}, "verdict": Verdict.REJECT.value, "reason_codes": reasons}


def _judged_record(judged: Judged) -> dict[str, Any]:
    answers = judged.answers.to_document()
    return {
        "answers": {question: answer["probabilities"] for question, answer in answers.items()},
        "scores": {
            question: answer["score"] for question, answer in answers.items() if answer["score"] is not None
        },
        "verdict": judged.decision.verdict.value,
        "reason_codes": list(judged.decision.reason_codes),
    }
