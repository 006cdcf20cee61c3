"""Makes the values that the decisions take out of the settings."""

from collections.abc import Collection

from agents.planning.prices import price_book
from domain.absence import AbsenceRule
from domain.cutting import JobLimits
from domain.job import Policy
from domain.judgement import Rules
from domain.nightly import Schedule
from domain.providers import PROVIDERS
from domain.shadows import AuditRule
from domain.strategies import STRATEGIES
from settings.settings import Settings


def job_limits(settings: Settings) -> dict[str, JobLimits]:
    """The most that one job of each provider may hold."""
    blocks = {name: settings.provider(name) for name in PROVIDERS}
    return {
        name: JobLimits(
            max_items=block.max_job_items,
            max_bytes=block.max_job_bytes,
            max_tokens=block.max_job_tokens,
            bundle_size=block.bundle_size,
            batch_bundle_size=block.batch_bundle_size,
        )
        for name, block in blocks.items()
    }


def schedules(settings: Settings) -> dict[str, Schedule]:
    """When nightly windows close, by provider."""
    blocks = {name: settings.provider(name) for name in PROVIDERS}
    return {name: Schedule(block.nightly_cron, block.nightly_time_zone) for name, block in blocks.items()}


def policy(settings: Settings, provider: str) -> Policy:
    """The settings that a job planned now carries with it, for when it is planned again."""
    return Policy(
        attempts=settings.attempts,
        retry_batch_min=settings.testing.retry_batch_min,
        backoff_first_s=settings.backoff_first_s,
        backoff_max_s=settings.backoff_max_s,
        near_deadline_s=settings.testing.near_deadline_s,
        escalate_before_s=settings.escalate_before_s,
        layout=settings.provider(provider).bundle_layout,
    )


def audit_rule(settings: Settings) -> AuditRule | None:
    """Which lines are audited; None: none are."""
    if not settings.audit.share:
        return None
    prices = price_book(settings)

    def usd(provider: str, model: str, batch: bool, into: int, out: int) -> float | None:
        return prices.most_usd(provider, model, batch=batch, prompt_tokens=into, output_tokens=out)

    return AuditRule(settings.audit.share, (settings.audit.salt or settings.app_id).encode(), usd)


def judgement_rules(settings: Settings) -> Rules:
    """By what a judge counts as bent."""
    of = settings.quality
    return Rules(of.false_alarms, of.tolerance, of.position_tolerance)


def audited_size(settings: Settings, provider: str, modes: Collection[str], most: int | None) -> int:
    """How many comparisons the lines of these modes hold at most now, by the settings and a limit."""
    block = settings.provider(provider)
    sizes = (row.line_size(block.bundle_size, block.batch_bundle_size) for row in STRATEGIES.values() if row.mode in modes)
    size = max(sizes, default=1)
    return size if most is None else min(size, most)


def absence_rule(settings: Settings) -> AbsenceRule:
    """When a job of unknown fate is certainly absent."""
    times = settings.testing
    return AbsenceRule(times.create_timeout_s, times.clock_skew_s, times.list_settle_s)
