"""dispatcher: looks at open jobs when their facts are acknowledged or their time has come, and does the next step.

Tasks, not agents: they write no table and send only to the work topic.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from agents.accounts.admission import Admission
from agents.jobs.attempt import Attempt
from agents.jobs.call import CallJob
from agents.jobs.due import DueJobs
from agents.jobs.find_lost import FindLost
from agents.jobs.read_results import ReadResults
from agents.jobs.submit import SubmitJob
from agents.jobs.tools import JobTools
from agents.liveness.heartbeats import Heartbeat
from agents.partitions.log_fields import about
from agents.partitions.views import Views
from domain.budget import BudgetVerdict
from domain.job import Job
from domain.next_step import Step, next_step
from streams import failstop
from tables.view import PartitionView

log = structlog.get_logger("dispatcher")
_READ_BACK_S = 0.2
_BEAT_S = 10.0  # at least one turn, and sign of life, in so long
_SKIPPED_S = 0.2


@dataclass(frozen=True, slots=True)
class JobSteps:
    """What takes the steps."""

    submit: SubmitJob
    read_results: ReadResults
    find_lost: FindLost
    call: CallJob


class Dispatcher:
    """Takes the steps of all open jobs of this worker's partitions, until `stop` is set."""

    def __init__(
        self, tools: JobTools, steps: JobSteps, views: Views, due: DueJobs, admission: Admission, stop: asyncio.Event
    ) -> None:
        self._clock, self._worker_run = tools.clock, tools.worker_run
        self._submit, self._read_results, self._find_lost, self._call_job = (
            steps.submit,
            steps.read_results,
            steps.find_lost,
            steps.call,
        )
        self._views, self._due, self._admission, self._stop = views, due, admission, stop
        self.attempts: dict[str, Attempt] = {}
        self._abandoning: set[asyncio.Future[Any]] = set()

    async def run(self, heartbeat: Heartbeat) -> None:
        """Work off what is due, until cancelled."""
        while True:
            heartbeat.beat()
            while (job := self._due.take()) is not None:
                with failstop.guard("dispatcher"):
                    self._look(*job)
            await self._due.wait(_BEAT_S)

    def _look(self, partition: int, job_id: str) -> None:
        view = self._views.current(partition)
        if view is None or not view.caught_up or self._stop.is_set():
            return  # every job is considered when the partition has caught up
        job = view.state.jobs.get(job_id)
        attempt = self.attempts.get(job_id)
        if job is None:
            self._look_at_closed(view, job_id, attempt)
            return
        if attempt is None:
            attempt = self.attempts[job_id] = Attempt(partition, job_id, provider=job.plan.provider, about=about(view, job))
        # Acted upon only when acknowledged: a fact that is lost with this process must not have led to anything.
        if attempt.task is not None or attempt.is_over(job) or job.last_offset >= view.work.acked:
            return
        if attempt.submission_sent and job.submission is None:
            return  # on its way through the log
        if not self._admission.has_account(job.plan.provider):
            self._due.consider(
                partition, job_id, self._find_lost.hold(job, attempt, f"provider {job.plan.provider} has no key in this worker")
            )
            return
        self._act(view, job, attempt)

    def _look_at_closed(self, view: PartitionView, job_id: str, attempt: Attempt | None) -> None:
        """A job that owns no open member any more."""
        closed = view.abandoned.pop(job_id, None)
        if attempt is None and closed is not None and closed.submission is not None:  # another process submitted it
            attempt = self.attempts[job_id] = Attempt(
                view.partition, job_id, provider=closed.plan.provider, about=about(view, closed)
            )
            attempt.provider_job_id = closed.submission.provider_job_id
        if attempt is None or attempt.task is None:
            self._admission.release(job_id)
        if attempt is not None and attempt.task is None:
            self._forget(attempt)

    def _forget(self, attempt: Attempt) -> None:
        """Forget a job that owns no open member; a batch of it that still runs is cancelled."""
        del self.attempts[attempt.job_id]
        if attempt.provider_job_id is not None and not attempt.read and self._admission.has_account(attempt.provider):
            task = asyncio.create_task(self._read_results.abandon(attempt.provider, attempt), name=f"abandon {attempt.job_id}")
            self._abandoning.add(failstop.watch(task, f"abandon {attempt.job_id}"))
            task.add_done_callback(self._abandoning.discard)

    def _act(self, view: PartitionView, job: Job, attempt: Attempt) -> None:
        now_ms = self._clock.now_ms()
        step = next_step(
            job,
            worker_run=self._worker_run,
            claim_age_s=None if attempt.claim_sent_s is None else self._clock.running_s() - attempt.claim_sent_s,
            called=attempt.called,
            now_ms=now_ms,
        )
        match step:
            case Step.WAIT:
                self._wait(view, job, now_ms)
            case Step.ESCALATE:
                self._spawn(view, job, attempt, self._submit.escalate(job, attempt))
            case Step.CLAIM | Step.CALL:
                self._go(view, job, attempt, step, now_ms)
            case Step.CREATE:
                self._spawn(view, job, attempt, self._submit.create(view, job, attempt))
            case Step.GIVE_BACK:
                self._spawn(view, job, attempt, self._submit.give_back(view, job, attempt))
            case Step.FIND:
                self._spawn(view, job, attempt, self._find_lost.find(job, attempt))
            case Step.POLL:
                self._poll(view, job, attempt)

    def _go(self, view: PartitionView, job: Job, attempt: Attempt, step: Step, now_ms: int) -> None:
        """Claim a batch, or call; where the job may not go it is woken when it may."""
        decision = self._admission.admit(view, job)
        if decision.verdict is BudgetVerdict.HOLD:
            self._wait(view, job, now_ms)
        elif decision.verdict is not BudgetVerdict.GO:
            self._spawn(view, job, attempt, self._submit.refuse(job, attempt, decision))
        elif step is Step.CLAIM:
            self._submit.claim(view, job, attempt)
        else:
            self._spawn(view, job, attempt, self._call(view, job, attempt))

    def _wait(self, view: PartitionView, job: Job, now_ms: int) -> None:
        """Look again when the job may start, or must be given up for calls."""
        times = [at for at in (job.plan.not_before_ms, job.plan.escalate_at_ms) if at is not None and at > now_ms]
        if times:
            self._due.consider(view.partition, job.job_id, (min(times) - now_ms) / 1000)

    def _poll(self, view: PartitionView, job: Job, attempt: Attempt) -> None:
        """Poll now, or for the first time when the batch is old enough for a look."""
        if job.submission is not None and not attempt.polls:
            age_s = (self._clock.now_ms() - job.submission.append_ms) / 1000
            early_s = self._read_results.delay_s(job, attempt) - age_s
            if early_s > 0:
                # Once: it is looked at for its Submitted and for the step that sent it, and polls would go on in two lines.
                if attempt.first_poll_s <= self._clock.running_s():
                    attempt.first_poll_s = self._clock.running_s() + early_s
                    self._due.consider(view.partition, job.job_id, early_s)
                return
        self._spawn(view, job, attempt, self._read_results.poll(view, job, attempt))

    async def _call(self, view: PartitionView, job: Job, attempt: Attempt) -> float | None:
        attempt.alive_s = None  # calls stand at the limiter for as long as it takes; each has its own time limit
        await self._call_job.run(view, job, attempt, lambda: not self._stop.is_set() and not view.dead)
        if attempt.over:
            return None
        # Calls were skipped, because the partition went (if it has come back, its view asks what is left) or the account was
        # paused.
        self._admission.not_sent(view.partition, job)
        return _SKIPPED_S

    def _spawn(self, view: PartitionView, job: Job, attempt: Attempt, step: Coroutine[Any, Any, float | None]) -> None:
        attempt.alive_s = self._clock.running_s()
        task = attempt.task = asyncio.create_task(step, name=f"job {job.job_id}")
        failstop.watch(task, f"job {job.job_id}")
        task.add_done_callback(lambda done: self._stepped(view.partition, job.job_id, attempt, done))

    def _stepped(self, partition: int, job_id: str, attempt: Attempt, done: "asyncio.Task[float | None]") -> None:
        attempt.task = None
        self._admission.release(job_id)
        if done.cancelled() or done.exception() is not None:
            return
        delay_s = done.result()
        # None: a record was sent, and its reading back leads on. Looked at once more all the same: with several brokers that
        # record may be read and acked before its own send is acknowledged, and that look found this task still at work.
        self._due.consider(partition, job_id, _READ_BACK_S if delay_s is None else delay_s)

    def silent_s(self) -> float:
        """For how long the step that hangs the longest has given no sign of life; 0 with none under way."""
        alive = [
            attempt.alive_s for attempt in self.attempts.values() if attempt.task is not None and attempt.alive_s is not None
        ]
        return self._clock.running_s() - min(alive) if alive else 0.0

    def dropped(self, view: PartitionView) -> None:
        """Give back the claims of a partition that is going and that nobody has called upon."""
        for attempt in self.attempts.values():
            if attempt.partition == view.partition and attempt.task is None:
                self._submit.relinquish(attempt)
                self._admission.release(attempt.job_id)
                if (job := view.state.jobs.get(attempt.job_id)) is not None and self._admission.has_account(attempt.provider):
                    self._admission.not_sent(view.partition, job)

    async def finish(self, timeout_s: float) -> None:
        """Let steps under way finish within the time, then let go of them. Nothing is cancelled at a provider."""
        for attempt in self.attempts.values():
            self._submit.relinquish(attempt)
        tasks = [attempt.task for attempt in self.attempts.values() if attempt.task is not None]
        if not tasks:
            return
        log.info("finishing_steps", steps=len(tasks), timeout_s=timeout_s)
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("steps_let_go", steps=len(late))
