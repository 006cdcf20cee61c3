"""What shadows may cost: reserved while they are under way, and bounded by AUDIT__DAY_USD. No job waits for their money."""

from collections.abc import Callable, Iterable

from agents.partitions.views import Views
from domain.cutting import estimated_tokens
from domain.job import Job, JobKey, Plan, Transport
from domain.providers import PROVIDERS
from providers.prices import PriceBook
from providers.prompts.tokens import size_of
from providers.protocol import Ask
from settings.settings import Settings
from tables.view import PartitionView

_ROUNDING_USD = 1e-9


class ShadowMoney:
    """With several workers, each may spend as large a part of AUDIT__DAY_USD as it holds of all partitions."""

    def __init__(self, settings: Settings, prices: PriceBook, views: Views) -> None:
        self._settings, self._prices, self._views = settings, prices, views
        self._day_usd = settings.audit.day_usd
        self._of_batches: dict[JobKey, float] = {}  # until the job is over
        self._of_calls: dict[JobKey, float] = {}  # until they are over: the job is so before them

    @property
    def limited(self) -> bool:
        """Whether AUDIT__DAY_USD is set."""
        return self._day_usd is not None

    def fits(self, usd: float, since_ms: int) -> bool:
        """Whether there is room for so much in what is left for audits of the day that began at `since_ms`."""
        if self._day_usd is None:
            return True
        spent = sum(view.state.audits.usd_since(since_ms) for view in self._views)
        reserved = sum(self._of_batches.values()) + sum(self._of_calls.values())
        return spent + reserved + usd <= self._day_usd * self._views.share + _ROUNDING_USD

    def reserve(self, key: JobKey, usd: float, *, calls: bool) -> None:
        """From here on the shadows of a job may cost so much."""
        (self._of_calls if calls else self._of_batches)[key] = usd

    def calls_over(self, key: JobKey) -> None:
        """The calls of a job's shadows are over."""
        self._of_calls.pop(key, None)

    def not_sent(self, key: JobKey) -> None:
        """A batch does not go after all."""
        self._of_batches.pop(key, None)

    def reserved(self, is_open: Callable[[JobKey], bool]) -> float:
        """USD reserved; what jobs have reserved that are not open any more is freed."""
        for key in [key for key in self._of_batches if not is_open(key)]:
            del self._of_batches[key]
        return sum(self._of_batches.values()) + sum(self._of_calls.values())

    def most_usd(self, view: PartitionView, job: Job) -> float | None:
        """What the shadows of a batch cost at most; None for a model without a price."""
        plan, into, out = job.plan, 0, 0
        default = self._settings.provider(plan.provider).max_output_tokens
        for shadow in plan.shadows:
            pending = view.state.pending.get(shadow.member)
            if pending is not None:
                into += estimated_tokens(pending)
                out += (pending.resolved.max_tokens or default) + PROVIDERS[plan.provider].thought_tokens
        return self._usd(plan, into, out)

    def most_usd_of(self, plan: Plan, asks: Iterable[Ask]) -> float | None:
        """What these calls cost at most; None for a model without a price."""
        into = out = 0
        for ask in asks:
            into += size_of(plan.provider, ask).input_tokens
            out += ask.max_tokens + PROVIDERS[plan.provider].thought_tokens
        return self._usd(plan, into, out)

    def _usd(self, plan: Plan, into: int, out: int) -> float | None:
        is_batch = plan.transport is Transport.BATCH
        return self._prices.most_usd(plan.provider, plan.model, batch=is_batch, prompt_tokens=into, output_tokens=out)
