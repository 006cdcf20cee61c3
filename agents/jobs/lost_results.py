"""Answers that a provider has been paid for and does not give: booked as spent, told, and counted."""

from collections.abc import Sequence

import structlog

from agents.jobs.attempt import OpenJob
from agents.metrics.counters import Metrics
from domain.comparison import Member
from domain.cutting import estimated_tokens
from domain.job import Job
from domain.outcome import Outcome
from domain.providers import PROVIDERS
from domain.reply import Cause, ErrorCode, Retry
from domain.results import lost_part
from providers.prices import PriceBook
from providers.protocol import ResultsNotWhole
from settings.settings import Settings
from tables.view import PartitionView

log = structlog.get_logger("lost_results")


class LostResults:
    """Makes the outcomes by which lost answers are booked. They leave their members open: these are asked again."""

    def __init__(self, settings: Settings, prices: PriceBook, metrics: Metrics) -> None:
        self._settings, self._prices, self._metrics = settings, prices, metrics

    def booked(self, this: OpenJob, missing: Sequence[int], why: ResultsNotWhole, now_ms: int) -> list[Outcome]:
        """One outcome for each member of these lines, with its part of what they cost at most, for no usage tells exactly."""
        view, job, attempt = this
        plan, part = job.plan, lost_part(why.paid, len(missing))
        retry = Retry(Cause.MISSING, ErrorCode.EXTERNAL_SERVICE_ERROR, "its answer was paid for and is lost at the provider")
        owned = set(view.state.owned(job.job_id))
        members = [member for number in missing for member in plan.lines[number] if member in owned]
        booked = [
            Outcome(
                member,
                plan.provider,
                plan.model,
                now_ms,
                plan.mode,
                retry=retry,
                cost_usd=self._most_usd(view, job, member) * part,
                paying_batch=pending.resolved.paying_batch if (pending := view.state.pending.get(member)) is not None else "",
            )
            for member in members
        ]
        usd = sum(outcome.cost_usd for outcome in booked)
        comparisons = round(len(members) * part)
        self._metrics.paid.lost(plan.provider, comparisons, usd)
        log.error(
            "results_lost",
            **attempt.about,
            provider_job_id=attempt.provider_job_id,
            why=str(why),
            comparisons=comparisons,
            asked_again=len(members),
            usd_at_most=round(usd, 6),
        )
        return booked if part else []

    def _most_usd(self, view: PartitionView, job: Job, member: Member) -> float:
        pending, plan = view.state.pending.get(member), job.plan
        if pending is None:
            return 0.0
        output = pending.resolved.max_tokens or self._settings.provider(plan.provider).max_output_tokens
        output += PROVIDERS[plan.provider].thought_tokens
        usd = self._prices.most_usd(
            plan.provider, plan.model, batch=True, prompt_tokens=estimated_tokens(pending), output_tokens=output
        )
        return usd or 0.0
