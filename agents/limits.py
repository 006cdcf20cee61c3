"""From settings to the values that the decisions take."""

from domain.cutting import JobLimits
from domain.job import Policy
from domain.polling import AbsenceRule
from streams.settings import PROVIDERS, Settings


def job_limits(settings: Settings) -> dict[str, JobLimits]:
    """The most that one job of each provider may hold."""
    blocks = {name: settings.provider(name) for name in PROVIDERS}
    return {name: JobLimits(block.max_job_items, block.max_job_bytes) for name, block in blocks.items()}


def policy(settings: Settings) -> Policy:
    """What a job planned now carries for its replanning."""
    return Policy(
        attempts=settings.attempts,
        retry_batch_min=settings.retry_batch_min,
        backoff_first_s=settings.backoff_first_s,
        backoff_max_s=settings.backoff_max_s,
        near_deadline_s=settings.near_deadline_s,
    )


def absence_rule(settings: Settings) -> AbsenceRule:
    """When a job of unknown fate is certainly absent."""
    return AbsenceRule(settings.create_timeout_s, settings.clock_skew_s, settings.list_settle_s)
