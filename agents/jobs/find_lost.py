"""Finding a claimed job of unknown fate again: adopted, certainly absent, or held.

OpenAI shows our job id in a batch's metadata, Google as its display name. Anthropic shows times and counts until a batch has
ended, then its custom ids: while an unclaimed batch of the claim's time and count exists there, unknown holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from agents.jobs.attempt import OpenJob
from agents.jobs.tools import JobTools
from agents.partitions.views import Views
from domain.absence import AbsenceRule
from domain.job import Claim, Job
from domain.providers import PROVIDERS
from domain.reconciling import JobEnd
from providers.protocol import Candidate, Provider, ProviderError

log = structlog.get_logger("find_lost")
# How far a batch's time at the provider may lie from the claim's, the broker's, at least: beyond it a batch is taken for
# another's. A clock five minutes off must not make our own batch absent, and paid again; too wide only holds a job longer.
_LEAST_MARGIN_S = 600.0


@dataclass(frozen=True, slots=True)
class _Scan:
    """What one complete scan showed.

    found: the provider's ids of the job's batches, the oldest last. undecided: how many batches may still be it. older: whether
    any batch is older than the claim.
    """

    found: Sequence[str] = ()
    undecided: int = 0
    older: bool = False


class FindLost:
    """Looks for jobs at their provider.

    Methods return the seconds until the next look, None when a record was sent: reading it back brings the job up again.
    """

    def __init__(self, tools: JobTools, views: Views, absence: AbsenceRule) -> None:
        self._settings, self._accounts, self._records = tools.settings, tools.accounts, tools.records
        self._metrics, self._clock = tools.metrics, tools.clock
        self._views, self._absence = views, absence

    async def find(self, this: OpenJob) -> float | None:
        """Look once: adopt the job, or conclude that it is certainly absent, or look again later."""
        job, attempt = this.job, this.attempt
        provider = self._accounts[job.plan.provider].provider
        claim = job.claim
        if claim is None:
            return None
        attempt.search.looks += 1
        started_ms = self._clock.now_ms()
        try:
            scan = await self._scan(provider, this, claim)
            if scan.found:
                await self._adopt(provider, this, scan.found)
                return None
        except ProviderError as error:  # "could not read" is never "absent"
            log.warning("job_list_unreadable", **attempt.about, said=str(error))
            return self.delay_s(this)
        if scan.undecided:
            return self.hold(this, f"{scan.undecided} batches of its time and size do not tell yet whose they are")
        attempt.search.empty_scans_ms.append(started_ms)
        proven = scan.older or not PROVIDERS[job.plan.provider].empty_list_lies
        if self._absence.certainly_absent(claim, tuple(attempt.search.empty_scans_ms), proven=proven):
            if provider.key_hash != claim.key_hash:
                return self.hold(this, "only the key that claimed it can say that it is absent")
            self._metrics.job_absent(job.plan.provider)
            return await self._records.end(this, JobEnd.ABSENT, "two scans of the provider's list do not show it")
        return self.delay_s(this)

    async def _adopt(self, provider: Provider, this: OpenJob, found: Sequence[str]) -> None:
        """Take the oldest of the job's batches for the job, and cancel the others: one create request made them all.

        Cancelled first: a process that ends in between finds them all again. Raises ProviderError when one cannot be cancelled.
        """
        attempt = this.attempt
        *others, oldest = found
        for other in others:
            log.error("job_doubled", **attempt.about, kept=oldest, cancelled=other)
            await provider.cancel(other)
        self._metrics.job_adopted(this.account)
        log.info("job_adopted", **attempt.about, provider_job_id=oldest)
        await self._records.submitted(attempt, oldest, adopted=True)

    async def _scan(self, provider: Provider, this: OpenJob, claim: Claim) -> _Scan:
        """One complete scan."""
        job, attempt = this.job, this.attempt
        skew_ms = int(max(self._settings.testing.clock_skew_s, _LEAST_MARGIN_S) * 1000)
        last_ms = claim.append_ms + int((claim.start_within_s + self._settings.testing.create_timeout_s) * 1000) + skew_ms
        candidates = await provider.candidates(claim.append_ms - skew_ms)
        if named := [one for one in candidates if one.job_id == job.job_id]:
            return _Scan([one.provider_job_id for one in sorted(named, key=lambda one: -one.created_ms)])
        undecided, known = 0, self._known()
        for candidate in candidates:
            if candidate.job_id is not None:
                continue
            if candidate.provider_job_id in known or not self._may_be(candidate, job, claim.append_ms - skew_ms, last_ms):
                continue
            if not candidate.ended:
                undecided += 1
                continue
            owner = attempt.search.owners.get(candidate.provider_job_id)
            if owner is None:
                owner = await provider.owner(candidate.provider_job_id)
                if owner is None:  # ended in the list, and no row can be read yet: it may be ours
                    undecided += 1
                    continue
                attempt.search.owners[candidate.provider_job_id] = owner
            if owner == job.job_id:
                return _Scan([candidate.provider_job_id])
        return _Scan(undecided=undecided, older=any(one.created_ms < claim.append_ms for one in candidates))

    @staticmethod
    def _may_be(candidate: Candidate, job: Job, first_ms: int, last_ms: int) -> bool:
        """By what a batch shows before it has ended: made while the claim could be called upon, no larger."""
        # Members that had ended before the call were left out of it: no more lines than planned, perhaps fewer.
        most = len(job.plan.lines) + len(job.plan.shadows)
        return first_ms <= candidate.created_ms <= last_ms and 0 < candidate.total <= most

    def _known(self) -> frozenset[str]:
        """The provider's ids of all jobs of this worker that have one."""
        submissions = (job.submission for view in self._views for job in view.state.jobs.values())
        return frozenset(one.provider_job_id for one in submissions if one is not None)

    def delay_s(self, this: OpenJob) -> float:
        """The wait before the next look."""
        job, attempt = this.job, this.attempt
        return self._settings.polls(job.plan.provider).wait_s(attempt.search.looks)

    def hold(self, this: OpenJob, why: str) -> float:
        """Report a job that cannot go on, and is looked at again until its deadline.

        It is not found and not certainly absent, or its results do not come, or this worker has no key for its account.
        """
        job, attempt = this.job, this.attempt
        if attempt.hold():
            self._metrics.job_held(job.plan.provider)
            log.error("job_held", **attempt.about, why=why)
        return self.delay_s(this)
