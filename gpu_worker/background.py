"""What an instance does between Dagster's steps: it drains intents that no step has come for.

Named to the agent as `--between-steps gpu_worker.background:between_steps`. Dagster goes first: only intents
that waited `headless_after_s` count, so a run that is being launched finds its work still there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gpu_worker.boot.worker import booted_scorer
from gpu_worker.drain import drain
from gpu_worker.headless import log_drained, work_is_visible
from gpu_worker.limits import worker_limits
from gpu_worker.membership import boot_hook_of, member_from_environment, standing_now, template_version
from gpu_worker.score import Scorer
from gpu_worker.settings import WorkerSettings, load_worker_settings
from gpu_worker.vitals import Vitals
from parjanya_dagster.asg_executor.instance import Standing
from parjanya_dagster.control.platform import Platform
from parjanya_dagster.core.belief.boot import BootStage
from parjanya_dagster.core.errors import EdgeError
from parjanya_dagster.settings import load_settings
from parjanya_dagster.telemetry import configure_logging
from parjanya_dagster.wiring import platform_from

_LOOKED_AT: Final = 5
"""Entries of the lagging index that are re-read: the first may be one that was settled a moment ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BetweenSteps:
    """Headless draining in the warm process of an agent; see `asg_executor.background.BackgroundWork`.

    Args:
        patience: how long an intent must have waited.
        vitals: told of what every drain does.
    """

    platform: Platform
    scorer: Scorer
    settings: WorkerSettings
    patience: timedelta
    instance_id: str
    vitals: Vitals

    def run(self, should_stop: Callable[[], bool]) -> bool:
        """Drain while there is work and `should_stop()` is False; return whether anything was settled.

        The agent calls it from the moment on that the instance is in service.
        """
        self.vitals.enter_service()
        if not self.wanted():
            return False
        report = drain(
            self.platform,
            self.scorer,
            scored_by=f"headless:{self.instance_id}",
            should_stop=should_stop,
            idle_after_s=self.settings.pause_after_s,
            progress=self.vitals.follow,
            limits=worker_limits(self.platform.limits, micro_batch=self.settings.micro_batch),
        )
        log_drained(report)
        self.vitals.idle("between steps")
        return bool(report.settled)

    def wanted(self) -> bool:
        """Whether a job can be received and an intent has waited too long; False while that is unreadable."""
        if not work_is_visible(self.platform):  # the cheaper look, and nearly always the last
            return False
        waited_since = self.platform.clock() - self.patience
        try:
            keys = self.platform.images.outstanding(sent_before=waited_since, limit=_LOOKED_AT)
            rows = self.platform.images.get_many(keys) if keys else []
        except EdgeError:
            return False
        return any(row.has_outstanding_intent for row in rows)


def between_steps() -> BetweenSteps:
    """Return the background work of this process, from the environment, once it is loaded.

    The agent answers the boot hook when this returns, and abandons the instance when it raises.

    Raises:
        ConfigError: settings are invalid, or there is no such pack.
        BootFailedError: what it would score with is not fit to.
    """
    settings, own = load_settings(), load_worker_settings()
    member = member_from_environment(settings.region)
    instance_id = member.identity.instance_id
    configure_logging(instance_id=instance_id)
    platform = platform_from(settings, plane="worker")
    vitals = Vitals(platform, instance_id=instance_id, template_version=template_version(member))
    with vitals.booting():
        scorer = booted_scorer(settings.engine, own, machine=instance_id, witness=vitals)
    if standing_now(boot_hook_of(member, prefix=settings.prefix)) is Standing.WARMING:
        vitals.reach(BootStage.WARMING)
    return BetweenSteps(
        platform=platform,
        scorer=scorer,
        settings=own,
        patience=timedelta(seconds=settings.headless_after_s),
        instance_id=instance_id,
        vitals=vitals,
    )
