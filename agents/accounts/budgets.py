"""What is spent, reserved and left: a job goes to its provider only when the budgets have room for what it may cost at most.

All of it follows from the log: what was paid, from the outcomes of the partitions that this worker holds; what is reserved,
from their jobs that are claimed or submitted. What calls under way reserve is in memory alone: after a crash they are asked
again.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import structlog

from agents.accounts.shadow_money import ShadowMoney
from agents.accounts.wake import Wake
from agents.metrics.money import MoneyCounters
from agents.partitions.log_fields import about
from agents.partitions.views import Views
from domain.admission import AdmissionVerdict, Decision
from domain.budget import Budget, Excess, day_of, decide
from domain.cutting import estimated_tokens
from domain.job import Job, JobKey, Transport
from domain.providers import PROVIDERS
from domain.reply import ErrorCode
from providers.prices import PriceBook
from settings.settings import Settings
from streams.clock import Clock
from tables.view import PartitionView

log = structlog.get_logger("budgets")
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Reserved:
    """For one job under way: USD by paying_batch, as it was when `part_open` of its members were open (0 to 1)."""

    usd: Mapping[str, float]
    part_open: float


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A job that waits for money."""

    usd: Mapping[str, float]
    members: int
    deadline_ms: int


class Budgets:
    """The budgets of this worker. With several, each may spend as large a part of the day's as it holds of all partitions."""

    def __init__(
        self, settings: Settings, prices: PriceBook, views: Views, counters: MoneyCounters, clock: Clock, wake: Wake
    ) -> None:
        self.prices = prices
        self._settings, self._views, self._counters, self._clock, self._wake = settings, views, counters, clock, wake
        self._budget = settings.budget
        self._zone, self._excess = ZoneInfo(settings.budget.time_zone), Excess(settings.budget.excess)
        self._reserved: dict[tuple[int, str], _Reserved] = {}
        self._waiting: dict[tuple[int, str], _Waiting] = {}
        # Reserved USD by paying_batch: the sum of the last walk over all reservations, and what was reserved since. It may be
        # too much, for answers have freed some, but never too little. It saves walks: one over 500 jobs takes 1 ms.
        self._total: defaultdict[str, float] = defaultdict(float)
        self._look_at_s = float("-inf")
        self.shadows = ShadowMoney(settings, prices, views)

    @property
    def limited(self) -> bool:
        """Whether any budget is set."""
        return self._budget.day_usd is not None or self._budget.batch_usd is not None

    def admit(self, view: PartitionView, job: Job) -> Decision:
        """Decide whether the budgets have room for a job; where they have, its money is reserved from here on."""
        key = (view.partition, job.job_id)
        usd = self._most(view, job)
        decision = self._decide(usd, len(view.state.owned(job.job_id))) if self.limited else Decision(AdmissionVerdict.GO)
        waited_before = self._waiting.pop(key, None) is not None
        if decision.verdict is AdmissionVerdict.GO:
            if usd is not None:
                self._reserve(view, job, usd)
        elif decision.waits:
            self._waiting[key] = _Waiting(usd or {}, len(view.state.owned(job.job_id)), job.plan.deadline_ms)
            if not waited_before:
                log.warning("budget_held", **about(view, job), why=decision.message)
        else:
            members = len(view.state.owned(job.job_id))
            log.warning("budget_refused", **about(view, job), verdict=decision.verdict, why=decision.message)
            if decision.verdict is AdmissionVerdict.REFUSE:
                self._counters.refused(members)
        return decision

    def not_sent(self, partition: int, job_id: str) -> None:
        """Free what a job has reserved: it does not go after all, or leaves what it had to ask for later."""
        self._reserved.pop((partition, job_id), None)
        self.shadows.not_sent((partition, job_id))

    def lets_shadows(self, key: JobKey, usd: float | None, *, calls: bool) -> str:
        """Why there is no money for a job's shadows; "" where there is: then it is reserved from here on."""
        if self._budget.day_usd is None and not self.shadows.limited:
            return ""
        if usd is None:
            return "no_price"
        if not self._caught_up() or not self.shadows.fits(usd, day_of(self._clock.now_ms(), self._zone)[0]):
            return "audit_budget"
        share = self.share_usd
        if share is not None and self.spent_today() + self.reserved() + usd > share:
            return "budget"
        self.shadows.reserve(key, usd, calls=calls)
        self._total[""] += usd
        return ""

    def recall(self, view: PartitionView) -> None:
        """Reserve for the jobs of a partition that were claimed or submitted, perhaps by a process before this one."""
        for job in view.state.jobs.values():
            if job.claim is not None and (usd := self._most(view, job)) is not None:
                self._reserve(view, job, usd)
                if job.plan.shadows and job.claim.shadows:
                    self.shadows.reserve((view.partition, job.job_id), self.shadows.most_usd(view, job) or 0.0, calls=False)

    def _reserve(self, view: PartitionView, job: Job, usd: Mapping[str, float]) -> None:
        self._reserved[view.partition, job.job_id] = _Reserved(usd, view.state.part_open(job.job_id))
        for paying_batch, one in usd.items():
            self._total[paying_batch] += one

    def why_waiting_for_money(self, view: PartitionView, job: Job) -> Decision | None:
        """Why a job that has not been sent waits for money; None when it does not."""
        if not self.limited or (view.partition, job.job_id) in self._reserved:
            return None
        decision = self._decide(self._most(view, job), len(view.state.owned(job.job_id)), whole=True)
        return decision if decision.verdict is not AdmissionVerdict.GO else None

    def _decide(self, usd: Mapping[str, float] | None, members: int, *, whole: bool = False) -> Decision:
        """`whole`: decide as if all partitions had caught up. Until they have, what was spent is unknown, and jobs wait."""
        if usd is None:
            message = "neither account nor price list has a price of this model, and a budget cannot hold what has no price"
            return Decision(AdmissionVerdict.REFUSE, message, ErrorCode.CONFIGURATION_ERROR)
        if not whole and not self._caught_up():
            return Decision(AdmissionVerdict.CATCHING_UP, "partitions are catching up: what was spent is not known yet")
        decision = decide(self._budgets(usd, self._total), members=members, excess=self._excess)
        if decision.verdict is AdmissionVerdict.GO:
            return decision
        return decide(self._budgets(usd, self._all_reserved()), members=members, excess=self._excess)

    def _caught_up(self) -> bool:
        return {view.partition for view in self._views if view.caught_up} >= set(self._views.assigned())

    def _budgets(self, usd: Mapping[str, float], reserved: Mapping[str, float]) -> list[Budget]:
        found = []
        if (share := self.share_usd) is not None:
            name = "the day's budget" if share == self._budget.day_usd else "this worker's share of the day's budget"
            found.append(Budget(name, share, self.spent_today(), sum(reserved.values()), sum(usd.values())))
        if (limit := self._budget.batch_usd) is not None:
            found += [
                Budget(
                    f"the budget of batch {paying_batch}",
                    limit,
                    self.spent_for(paying_batch),
                    reserved.get(paying_batch, 0.0),
                    wanted,
                )
                for paying_batch, wanted in usd.items()
                if paying_batch
            ]
        return found

    def _most(self, view: PartitionView, job: Job) -> dict[str, float] | None:
        """What the open members of a job cost at most, by paying_batch; None for a model without a price."""
        plan = job.plan
        default = self._settings.provider(plan.provider).max_output_tokens
        thoughts = PROVIDERS[plan.provider].thought_tokens
        tokens: dict[str, tuple[int, int]] = {}
        for member in view.state.owned(job.job_id):
            pending = view.state.pending.get(member)
            if pending is not None:
                of = pending.resolved
                into, out = tokens.get(of.paying_batch, (0, 0))
                tokens[of.paying_batch] = (into + estimated_tokens(pending), out + (of.max_tokens or default) + thoughts)
        is_batch = plan.transport is Transport.BATCH
        usd = {
            name: self.prices.most_usd(plan.provider, plan.model, batch=is_batch, prompt_tokens=into, output_tokens=out)
            for name, (into, out) in tokens.items()
        }
        return {name: one for name, one in usd.items() if one is not None} if None not in usd.values() else None

    # -- what is spent, reserved and left --------------------------------------------------------------------------

    @property
    def share_usd(self) -> float | None:
        """This worker's share of the day's budget; None where there is none."""
        if self._budget.day_usd is None:
            return None
        return self._budget.day_usd * self._views.share

    def spent_today(self) -> float:
        """USD paid since the day began, in the partitions of this worker."""
        begins_ms, _ = day_of(self._clock.now_ms(), self._zone)
        return sum(view.state.payments.since(begins_ms) for view in self._views)

    def day_ends_ms(self) -> int:
        """When the next day begins."""
        return day_of(self._clock.now_ms(), self._zone)[1]

    def spent_for(self, paying_batch: str) -> float:
        """USD paid for a paying_batch, in the partitions of this worker."""
        return sum(view.state.payments.of_batch(paying_batch) for view in self._views)

    def reserved(self) -> float:
        """USD reserved for jobs under way."""
        return sum(self._all_reserved().values())

    def waiting(self) -> tuple[int, int]:
        """How many jobs wait for money, and how many comparisons."""
        return len(self._waiting), sum(waiting.members for waiting in self._waiting.values())

    def fullest_batches(self, most: int) -> list[tuple[str, float, float]]:
        """The `most` dearest paying_batches, the dearest first: the USD spent and reserved for each."""
        if not most:
            return []
        reserved, spent = self._all_reserved(), defaultdict[str, float](float)
        for view in self._views:
            for paying_batch, usd in view.state.payments.by_batch():
                spent[paying_batch] += usd
        found = [(name, spent[name], reserved[name]) for name in {*spent, *reserved} if name]
        return sorted(found, key=lambda one: -(one[1] + one[2]))[:most]

    def _all_reserved(self) -> defaultdict[str, float]:
        total: defaultdict[str, float] = defaultdict(float)
        for key, reserved in list(self._reserved.items()):
            view = self._views.current(key[0])
            part = view.state.part_open(key[1]) if view is not None else 0.0
            if not part:
                # All of the job is answered or planned anew, or its partition is not here; when that comes back, `recall`
                # reserves again. The entry may be gone already: the first who asks for a view after a rebalance drops all
                # views, upon which the dispatcher gives back what it has not sent.
                self._reserved.pop(key, None)
                continue
            for paying_batch, usd in reserved.usd.items():
                total[paying_batch] += usd * part / reserved.part_open
        if shadows := self.shadows.reserved(self._is_open):
            total[""] += shadows
        self._total = total
        return total

    def _is_open(self, key: JobKey) -> bool:
        view = self._views.current(key[0])
        return view is not None and key[1] in view.state.jobs

    # -- as time passes --------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Wake jobs that wait for money and for which there is room now, those with the earliest deadline first."""
        now_s = self._clock.running_s()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + _LOOK_EVERY_S
        reserved = self._all_reserved().copy()  # also where no budget is set: the walk forgets reservations that are over
        if not self._waiting or not self._caught_up():
            return
        for key, waiting in sorted(self._waiting.items(), key=lambda item: item[1].deadline_ms):
            view = self._views.current(key[0])
            gone = view is None or key[1] not in view.state.jobs
            if not gone and not all(budget.fits for budget in self._budgets(waiting.usd, reserved)):
                continue
            self._waiting.pop(key, None)
            if not gone and self._wake(*key):
                for paying_batch, usd in waiting.usd.items():
                    reserved[paying_batch] += usd
