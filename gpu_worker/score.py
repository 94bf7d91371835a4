"""Scoring: from decoded images to answers, facts and a decision; the worker and `parjanya score` share it.

An engine is loaded once per process and kept, so that a warm instance pays for the image alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from gpu_worker.effects import Candidate
from gpu_worker.engines.engine import (
    Engine,
    EngineOptions,
    EngineOutOfMemoryError,
    ScorableImage,
    engine_named,
)
from gpu_worker.events import BatchFailed, BatchScored, BatchTooLarge, Dependency, DependencyFailed
from gpu_worker.fetch import Scorable
from gpu_worker.interview import Interview
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from gpu_worker.settings import load_worker_settings
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import PolicyInForce
from parjanya_dagster.core.errors import ConfigError, EdgeError, InvalidRequestError
from parjanya_dagster.core.execution.outcome import Completed, Outcome
from parjanya_dagster.core.policy.decide import CompiledPolicy
from parjanya_dagster.core.policy.document import InvalidPolicyError
from parjanya_dagster.core.policy.facts import facts_of
from parjanya_dagster.core.truth.answers import Answer, Answers
from parjanya_dagster.core.truth.identity import new_image_id
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import Decision
from parjanya_dagster.settings import load_settings

_PROBE_PX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """An engine and the questions it is asked.

    Args:
        micro_batches: images per pass, by bucket, where the engine turned out to have no room for more.
    """

    engine: Engine
    pack: PromptPack
    micro_batches: dict[str, int] = field(default_factory=dict)

    def answers_probe(self) -> bool:
        """Whether the engine answers about a plain image: then a batch that failed is itself to blame."""
        grey = np.full((_PROBE_PX, _PROBE_PX, 3), 128, np.uint8)
        try:
            return len(self.engine.answer([ScorableImage(pixels=grey)], self.pack)) == 1
        except Exception:  # noqa: BLE001 -- whatever it raises, it does not answer
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An image about to be judged, and whose it is.

    Args:
        carried: answers by question that are known already and not asked again.
    """

    tenant_id: str
    priority: str
    scorable: Scorable
    carried: Mapping[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the engine answered about an image, and what the policy makes of it."""

    answers: Answers
    decision: Decision


@cache
def warm_engine(name: str, options: EngineOptions) -> Engine:
    """Return the engine of this process, loaded on first use.

    Raises:
        ConfigError: there is no such engine, or its libraries are not installed.
    """
    return engine_named(name, options)


@cache
def _warm_scorer(name: str, options: EngineOptions, pack_id: str) -> Scorer:
    scorer = Scorer(engine=warm_engine(name, options), pack=shipped_pack(pack_id))
    scorer.engine.answer([], scorer.pack)  # a question that it can't answer is refused now, not per image
    return scorer


def warm_scorer(
    engine_name: str | None = None, *, pack_id: str | None = None, options: EngineOptions | None = None
) -> Scorer:
    """Return this process' engine with a prompt pack that came with the package.

    Args:
        engine_name: PARJANYA_ENGINE if None.
        pack_id: PARJANYA_WORKER_PACK if None.
        options: from PARJANYA_WORKER_MODEL, ..._DEVICE and ..._MICRO_BATCH if None.

    Raises:
        ConfigError: settings are invalid, there is no such engine or pack, or the engine can't answer it.
    """
    own = load_worker_settings()
    name = engine_name or load_settings().engine
    return _warm_scorer(name, options or own.engine_options, pack_id or own.pack)


def judge(
    scorer: Scorer,
    policy: CompiledPolicy,
    subjects: Sequence[Subject],
    *,
    pixel_budget: int | None = None,
) -> list[Judged]:
    """Return answers and decisions, in the order of `subjects`.

    Args:
        pixel_budget: of the engine's; the usual if None.

    Raises:
        Exception: whatever the engine raises.
    """
    interview = Interview(engine=scorer.engine, pack=scorer.pack, pixel_budget=pixel_budget)
    answers = interview.whole_answers(
        [subject.scorable for subject in subjects], [subject.carried for subject in subjects]
    )
    facts = [
        facts_of(
            tenant=subject.tenant_id,
            priority=subject.priority,
            answers=answered.to_document(),
            technical=subject.scorable.technical,
            exif=subject.scorable.exif,
            fingerprint=answered.fingerprint,
        )
        for subject, answered in zip(subjects, answers, strict=True)
    ]
    decisions = policy.decide_many(facts)
    return [Judged(answers=a, decision=d) for a, d in zip(answers, decisions, strict=True)]


def score_batch(
    platform: Platform,
    scorer: Scorer,
    policy: PolicyInForce,
    batch: Sequence[Candidate],
    images: Sequence[Scorable],
    *,
    scored_by: str,
    pixel_budget: int | None = None,
) -> BatchScored | BatchFailed | BatchTooLarge | DependencyFailed:
    """Score and judge a micro-batch under the policy in force; return what came of it.

    Args:
        images: those of `batch`, in its order.
        pixel_budget: of the engine's; the usual if None.
    """
    receipts = tuple(candidate.receipt for candidate in batch)
    try:
        in_force = _policy_for(scorer, policy)
    except (EdgeError, ConfigError, InvalidRequestError, InvalidPolicyError) as error:
        return DependencyFailed(dependency=Dependency.POLICY, receipts=receipts, detail=str(error))
    interview = Interview(engine=scorer.engine, pack=scorer.pack, pixel_budget=pixel_budget)
    subjects = [_subject(interview, each, image) for each, image in zip(batch, images, strict=True)]
    failure: BatchFailed | BatchTooLarge | None = None
    try:
        judged = judge(scorer, in_force, subjects, pixel_budget=pixel_budget)
    except (EngineOutOfMemoryError, MemoryError) as error:
        failure = BatchTooLarge(receipts=receipts, error=repr(error)[:200])
    except Exception as error:  # noqa: BLE001 -- an engine may raise anything, about any image
        failure = BatchFailed(receipts=receipts, error=repr(error)[:200], engine_is_sound=True)
    if failure is not None:
        # Only here, since an exception keeps alive what its frames hold: the memory of the failed pass.
        return failure if scorer.answers_probe() else _broken(failure)
    outcomes: dict[str, Outcome] = {
        candidate.receipt: Completed(result=_result(platform, scorer, candidate, each, scored_by))
        for candidate, each in zip(batch, judged, strict=True)
    }
    return BatchScored(outcomes=outcomes)


def _broken(failure: BatchFailed | BatchTooLarge) -> BatchFailed:
    return BatchFailed(receipts=failure.receipts, error=failure.error, engine_is_sound=False)


def _subject(interview: Interview, candidate: Candidate, image: Scorable) -> Subject:
    return Subject(
        tenant_id=candidate.job.tenant_id,
        priority=candidate.row.priority,
        scorable=image,
        carried=interview.carried_over(candidate.row, image),
    )


def _policy_for(scorer: Scorer, policy: PolicyInForce) -> CompiledPolicy:
    in_force = policy.current()
    asked, wanted = scorer.pack.id, in_force.policy.prompt_pack
    if asked != wanted:
        raise ConfigError(f"policy {in_force.policy.version} judges answers to '{wanted}', not to '{asked}'")
    if calibration := in_force.policy.calibration:
        fingerprint = scorer.engine.fingerprint(scorer.pack)
        calibration.require(pack_hash=scorer.pack.content_hash, fingerprint=fingerprint)
    return in_force


def _result(
    platform: Platform, scorer: Scorer, candidate: Candidate, judged: Judged, scored_by: str
) -> Result:
    now = platform.clock()
    attempt_id = new_image_id(now, platform.entropy(10))
    return Result(
        result_id=f"{candidate.job.generation}-{attempt_id}",
        generation=candidate.job.generation,
        answers=judged.answers.to_document(),
        fingerprint=judged.answers.fingerprint,
        decision=judged.decision,
        scored_by=scored_by,
        at=now,
        prompt_pack=scorer.pack.id,
    )
