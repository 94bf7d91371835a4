"""Scoring: from decoded images to answers, facts and a decision; the worker and `parjanya score` share it.

An engine is loaded once per process and kept, so that a warm instance pays for the image alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from gpu_worker.effects import Candidate
from gpu_worker.engines.engine import Engine, EngineOptions, ScorableImage, engine_named
from gpu_worker.events import BatchFailed, BatchScored, Dependency, DependencyFailed
from gpu_worker.fetch import Scorable
from gpu_worker.prompts.pack import PromptPack, shipped_pack
from gpu_worker.settings import load_worker_settings
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.control.policies import PolicyInForce
from parjanya_dagster.core.errors import ConfigError, EdgeError, InvalidRequestError
from parjanya_dagster.core.execution.outcome import Completed, Outcome
from parjanya_dagster.core.policy.decide import CompiledPolicy
from parjanya_dagster.core.policy.facts import facts_of
from parjanya_dagster.core.truth.answers import Answer, Answers, InvalidAnswerError
from parjanya_dagster.core.truth.identity import new_image_id
from parjanya_dagster.core.truth.result import Result
from parjanya_dagster.core.truth.row import Decision, ImageRow
from parjanya_dagster.settings import load_settings

_PROBE_PX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """An engine and the questions it is asked."""

    engine: Engine
    pack: PromptPack

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


def warm_scorer(
    engine_name: str | None = None, *, pack_id: str | None = None, options: EngineOptions | None = None
) -> Scorer:
    """Return this process' engine with a prompt pack that came with the package.

    Args:
        engine_name: PARJANYA_ENGINE if None.
        pack_id: PARJANYA_WORKER_PACK if None.
        options: from PARJANYA_WORKER_MODEL, ..._DEVICE and ..._MICRO_BATCH if None.

    Raises:
        ConfigError: settings are invalid, or there is no such engine or pack.
    """
    own = load_worker_settings()
    engine = warm_engine(engine_name or load_settings().engine, options or own.engine_options)
    return Scorer(engine=engine, pack=shipped_pack(pack_id or own.pack))


def judge(scorer: Scorer, policy: CompiledPolicy, subjects: Sequence[Subject]) -> list[Judged]:
    """Return answers and decisions, in the order of `subjects`.

    Raises:
        Exception: whatever the engine raises.
    """
    answers = _answers(scorer, subjects)
    facts = [
        facts_of(
            tenant=subject.tenant_id,
            priority=subject.priority,
            answers=answered.to_document(),
            technical=subject.scorable.technical,
            exif=subject.scorable.exif,
        )
        for subject, answered in zip(subjects, answers, strict=True)
    ]
    decisions = policy.decide_many(facts)
    return [Judged(answers=a, decision=d) for a, d in zip(answers, decisions, strict=True)]


def carried_over(row: ImageRow, earlier: Sequence[Result], scorer: Scorer) -> dict[str, Answer]:
    """Return the answers that a partial replay keeps; none unless this engine and pack would give them.

    Args:
        earlier: results of the row's image.
    """
    if row.questions is None:
        return {}
    fingerprint = scorer.engine.fingerprint(scorer.pack)
    source = next((each for each in earlier if each.result_id == row.result_id), None)
    if source is None or source.fingerprint != fingerprint:
        return {}
    try:
        known = Answers.from_document(source.answers, fingerprint=fingerprint).by_question
    except InvalidAnswerError:
        return {}  # what cannot be read is asked again
    kept = {question.id for question in scorer.pack.questions} - set(row.questions)
    return {question: answer for question, answer in known.items() if question in kept}


def score_batch(
    platform: Platform,
    scorer: Scorer,
    policy: PolicyInForce,
    batch: Sequence[Candidate],
    images: Sequence[Scorable],
    *,
    scored_by: str,
) -> BatchScored | BatchFailed | DependencyFailed:
    """Score and judge a micro-batch under the policy in force; return what came of it.

    Args:
        images: those of `batch`, in its order.
    """
    receipts = tuple(candidate.receipt for candidate in batch)
    try:
        in_force = _policy_for(scorer, policy)
    except (EdgeError, ConfigError, InvalidRequestError) as error:
        return DependencyFailed(dependency=Dependency.POLICY, receipts=receipts, detail=str(error))
    subjects = [_subject(scorer, candidate, image) for candidate, image in zip(batch, images, strict=True)]
    try:
        judged = judge(scorer, in_force, subjects)
    except Exception as error:  # noqa: BLE001 -- an engine may raise anything, about any image
        return BatchFailed(receipts=receipts, error=repr(error)[:200], engine_is_sound=scorer.answers_probe())
    outcomes: dict[str, Outcome] = {
        candidate.receipt: Completed(result=_result(platform, scorer, candidate, each, scored_by))
        for candidate, each in zip(batch, judged, strict=True)
    }
    return BatchScored(outcomes=outcomes)


def _answers(scorer: Scorer, subjects: Sequence[Subject]) -> list[Answers]:
    """Return whole answers in the order of `subjects`; images that lack the same questions go together."""
    groups: dict[frozenset[str], list[int]] = {}
    for at, subject in enumerate(subjects):
        groups.setdefault(frozenset(subject.carried), []).append(at)
    whole: dict[int, Answers] = {}
    for carried, members in groups.items():
        asked = scorer.pack.without(carried)
        images = [subjects[at].scorable.image for at in members]
        if asked.questions:
            new = scorer.engine.answer(images, asked)
        else:
            new = [Answers.of(fingerprint=scorer.engine.fingerprint(asked)) for _ in members]
        for at, each in zip(members, new, strict=True):
            whole[at] = _joined(scorer, subjects[at], each)
    return [whole[at] for at in range(len(subjects))]


def _joined(scorer: Scorer, subject: Subject, new: Answers) -> Answers:
    """Return carried and new answers in the pack's order; all new where they cannot be compared."""
    if not subject.carried:
        return new
    if new.fingerprint != scorer.engine.fingerprint(scorer.pack):
        # e.g. fewer pixels than usual, for want of memory
        return scorer.engine.answer([subject.scorable.image], scorer.pack)[0]
    known = {**subject.carried, **new.by_question}
    return Answers.of(*(known[each.id] for each in scorer.pack.questions), fingerprint=new.fingerprint)


def _subject(scorer: Scorer, candidate: Candidate, image: Scorable) -> Subject:
    return Subject(
        tenant_id=candidate.job.tenant_id,
        priority=candidate.row.priority,
        scorable=image,
        carried=carried_over(candidate.row, image.earlier, scorer),
    )


def _policy_for(scorer: Scorer, policy: PolicyInForce) -> CompiledPolicy:
    in_force = policy.current()
    asked, wanted = scorer.pack.id, in_force.policy.prompt_pack
    if asked != wanted:
        raise ConfigError(f"policy {in_force.policy.version} judges answers to '{wanted}', not to '{asked}'")
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
