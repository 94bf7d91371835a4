"""What the worker logs: one line per concluded attempt, one per fault.

The machine does not log; the shell says here what it fed and what came of it.
"""

import logging
from typing import assert_never

from gpu_worker.effects import ReportAttempt
from gpu_worker.events import BatchFailed, BatchTooLarge, Dependency, DependencyFailed, Event, ReceiveFailed
from parjanya_dagster.core.execution.outcome import Completed, Outcome, Retry, Superseded, TerminalFailure

log = logging.getLogger("gpu_worker")


def outcome_name(outcome: Outcome) -> str:
    """Return the word that logs and reports use for an outcome."""
    match outcome:
        case Completed():
            return "completed"
        case TerminalFailure():
            return "terminal_failure"
        case Retry():
            return "retry"
        case Superseded():
            return "superseded"
        case _:
            assert_never(outcome)


def log_attempt(attempt: ReportAttempt) -> None:
    """Log what an attempt concluded, with everything that identifies its job."""
    facts: dict[str, object] = {"attempt": attempt.receive_count, "outcome": outcome_name(attempt.outcome)}
    if attempt.job is not None:
        job = attempt.job
        facts |= {"tenant_id": job.tenant_id, "image_id": job.image_id}
        facts |= {"intent_id": job.intent_id, "generation": job.generation}
    log.info("attempt_concluded", extra=facts | _details(attempt.outcome))


def log_fault(event: Event) -> None:
    """Log an event that says that something outside, or the engine, failed."""
    match event:
        case ReceiveFailed(detail=detail):
            log.warning("dependency_failed", extra={"dependency": Dependency.QUEUE, "detail": detail})
        case DependencyFailed(dependency=dependency, receipts=receipts, detail=detail):
            facts = {"dependency": dependency, "messages": len(receipts), "detail": detail}
            log.warning("dependency_failed", extra=facts)
        case BatchFailed(error=error, engine_is_sound=is_sound, receipts=receipts):
            facts = {"messages": len(receipts), "engine_is_sound": is_sound, "detail": error}
            log.error("batch_failed", extra=facts)
        case BatchTooLarge(error=error, receipts=receipts):
            log.warning("batch_too_large", extra={"messages": len(receipts), "detail": error})
        case _:
            return


def _details(outcome: Outcome) -> dict[str, object]:
    match outcome:
        case Completed(result=result):
            return {"verdict": result.decision.verdict, "policy_version": result.decision.policy_version}
        case TerminalFailure(code=code, detail=detail):
            return {"code": code, "detail": detail}
        case Retry(reason=reason, delay_s=delay_s):
            return {"reason": reason, "delay_s": delay_s}
        case Superseded(reason=reason):
            return {"reason": reason}
        case _:
            assert_never(outcome)
