"""Whether a planned job may go now: its account is not paused, there is a place, room in the batch queue, and money."""

from collections.abc import Mapping, Sequence

from agents.accounts.batch_queue import BatchQueue
from agents.accounts.budgets import Budgets
from agents.accounts.pauses import Pauses, subject_of
from agents.accounts.places import Places
from agents.accounts.wake import Wake
from agents.metrics.audits import AuditMetrics
from domain.admission import AdmissionVerdict, Decision
from domain.comparison import Member
from domain.job import Job, JobKey, Plan, Transport
from domain.replanning import SAID_AT_THE_DEADLINE
from domain.reply import ErrorCode
from providers.protocol import Ask
from tables.view import PartitionView


class Admission:
    """Decides on planned jobs. One that may not go is remembered, and woken when it may."""

    def __init__(
        self,
        places: Mapping[str, int],
        pauses: Pauses,
        budgets: Budgets,
        batch_queue: BatchQueue,
        wake: Wake,
        audits: AuditMetrics,
    ) -> None:
        """`places`: by account, how many of its jobs are claimed or called at once."""
        self._audits = audits
        self._pauses, self._budgets, self._batch_queue = pauses, budgets, batch_queue
        # For jobs between claim and submission, and for jobs that are being called: both hold prompts in memory.
        self._places = {
            Transport.BATCH: {account: Places(places[account]) for account in places},
            Transport.CALL: {account: Places(places[account]) for account in places},
        }
        self._wake = wake

    def has_account(self, account: str) -> bool:
        """Whether this worker has a key for the account."""
        return account in self._places[Transport.CALL]

    def calls_waiting(self, account: str) -> int:
        """Jobs of calls that wait for a place."""
        return self._places[Transport.CALL][account].waiting

    def admit(self, view: PartitionView, job: Job) -> Decision:
        """Decide on a job that is planned and whose time has come. GO: its place is taken and its money reserved."""
        plan, key = job.plan, (view.partition, job.job_id)
        account, subject = plan.provider, subject_of(view.partition, plan.lines[0][0])
        if not self._pauses.lets(account, subject):
            self.release(job.job_id)
            self._pauses.wait(account, key, subject, plan.deadline_ms, plan.size)
            return Decision(AdmissionVerdict.PAUSED, f"account {account} is paused")
        places = self._places[plan.transport][account]
        if not places.take(job.job_id, plan.deadline_ms, lambda: self._wake(*key), plan.round_key):
            return Decision(AdmissionVerdict.NO_PLACE, "no place")
        if not self._batch_queue.admit(view, job):
            self.release(job.job_id)
            return Decision(AdmissionVerdict.QUEUE_FULL, f"no room in the batches of account {account}")
        decision = self._budgets.admit(view, job)
        if decision.verdict is not AdmissionVerdict.GO:
            self.release(job.job_id)
            self._batch_queue.not_sent(*key)
        elif plan.transport is Transport.BATCH:  # a call does this itself, directly before it goes out
            self._pauses.sending(account, subject)
        return decision

    def lets_shadows(self, view: PartitionView, job: Job, now_ms: int) -> bool:
        """Whether the shadows of a batch that may go go with it: not near its deadline, and not without room and money."""
        plan = job.plan
        reason = "deadline" if plan.deadline_ms - now_ms < plan.policy.near_deadline_s * 1000 else ""
        if not reason:
            usd = self._budgets.shadows.most_usd(view, job)
            reason = self._budgets.lets_shadows((view.partition, job.job_id), usd, calls=False)
        if not reason and not self._batch_queue.lets_shadows(view, job):
            self._budgets.shadows.not_sent((view.partition, job.job_id))
            reason = "batch_queue"
        if reason:
            self._audits.left_out(reason, len({shadow.member for shadow in plan.shadows}))
        return not reason

    def lets_shadow_calls(self, key: JobKey, plan: Plan, asks: Sequence[Ask]) -> str:
        """Why shadows of a job of calls are not asked; "" where they are: then `shadow_calls_over` is to be called."""
        return self._budgets.lets_shadows(key, self._budgets.shadows.most_usd_of(plan, asks), calls=True)

    def shadow_calls_over(self, key: JobKey) -> None:
        """The shadows of a job of calls have been asked, or are not."""
        self._budgets.shadows.calls_over(key)

    def release(self, job_id: str) -> None:
        """Give the job's place back, and wake the next."""
        for places in self._places.values():
            for account in places.values():
                account.release(job_id)

    def not_sent(self, view_partition: int, job: Job) -> None:
        """The job has not gone, or not all of it: free its money, and if it was the try of a paused account, that too."""
        self._budgets.not_sent(view_partition, job.job_id)
        self._batch_queue.not_sent(view_partition, job.job_id)
        self._pauses.told_nothing(job.plan.provider, subject_of(view_partition, job.plan.lines[0][0]))

    def caught_up(self, view: PartitionView) -> None:
        """A partition has caught up: count what its claimed and submitted jobs have reserved."""
        self._budgets.recall(view)

    def tick(self) -> None:
        """Wake the jobs that may go by now."""
        self._pauses.tick()
        self._budgets.tick()
        self._batch_queue.tick()

    def why_waiting(self, view: PartitionView, member: Member) -> tuple[ErrorCode, str] | None:
        """What a member whose deadline has come has been waiting for: an account or money; None for anything else."""
        job = view.state.jobs.get(view.state.owner.get(member, ""))
        if job is None or job.claim is not None:
            return None
        pause = self._pauses.pause_of(job.plan.provider) if self.has_account(job.plan.provider) else None
        if pause is not None:
            return pause.code, f"account {job.plan.provider} was paused: {pause.message}"
        short_of_money = self._budgets.why_waiting_for_money(view, job)
        if short_of_money is not None:
            return short_of_money.code, f"waiting for money: {short_of_money.message}"
        _, retry = view.state.retries.get(member, ("", None))
        if retry is not None and retry.cause in SAID_AT_THE_DEADLINE:
            return retry.code, f"last: {retry.message}"
        return None
