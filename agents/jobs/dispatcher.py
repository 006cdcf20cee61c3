"""dispatcher: looks at open jobs when their facts are acknowledged or their time has come, and does the next step.

Tasks, not agents: they write no table and send only to the work topic.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from agents.accounts.admission import Admission
from agents.jobs.attempt import Attempt, OpenJob
from agents.jobs.call import CallJob
from agents.jobs.due import DueJobs
from agents.jobs.find_lost import FindLost
from agents.jobs.read_results import ReadResults
from agents.jobs.submit import SubmitJob
from agents.jobs.tools import JobTools
from agents.liveness.heartbeats import Heartbeat
from agents.partitions.log_fields import about
from agents.partitions.views import Views
from domain.admission import AdmissionVerdict
from domain.job import Job
from domain.next_step import Step, next_step
from streams import crashpoints, failstop
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
        self._steps = steps
        self._views, self._due, self._admission, self._stop = views, due, admission, stop
        self.attempts: dict[str, Attempt] = {}
        self._cancelling: set[asyncio.Future[Any]] = set()

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
        if job is None:
            self._look_at_closed(view, job_id)
            return
        this = OpenJob(view, job, self._attempt(view, job))
        has_key = self._admission.has_account(this.account)
        here = this.attempt.here(job, self._worker_run, self._clock.running_s(), has_key=has_key)
        now_ms = self._clock.now_ms()
        self._take(next_step(job, here, acked=view.work.acked, now_ms=now_ms), this, now_ms)

    def _attempt(self, view: PartitionView, job: Job) -> Attempt:
        known = self.attempts.get(job.job_id)
        if known is None:
            known = Attempt(view.partition, job.job_id, job.plan.provider, about(view, job))
            self.attempts[job.job_id] = known
        return known

    def _take(self, step: Step, this: OpenJob, now_ms: int) -> None:
        match step:
            case Step.NOTHING:
                pass
            case Step.NO_KEY:
                wait_s = self._steps.find_lost.hold(this, f"provider {this.account} has no key in this worker")
                self._due.consider(this.view.partition, this.job.job_id, wait_s)
            case Step.WAIT:
                self._wait(this, now_ms)
            case Step.ESCALATE:
                self._spawn(this, self._steps.submit.escalate(this))
            case Step.CLAIM | Step.CALL:
                self._go(this, step, now_ms)
            case Step.CREATE:
                self._spawn(this, self._steps.submit.create(this))
            case Step.GIVE_BACK:
                self._spawn(this, self._steps.submit.give_back(this))
            case Step.FIND:
                self._spawn(this, self._steps.find_lost.find(this))
            case Step.POLL:
                self._poll(this)

    def _look_at_closed(self, view: PartitionView, job_id: str) -> None:
        """A job that owns no open member any more: it is forgotten; a batch of it that still runs is cancelled."""
        crashpoints.point("after_job_closed", view.partition)
        closed, attempt = view.to_cancel.pop(job_id, None), self.attempts.get(job_id)
        if attempt is None and closed is not None and closed.submission is not None:  # another process submitted it
            attempt = self._attempt(view, closed)
            attempt.provider_job_id = closed.submission.provider_job_id
        if attempt is not None and attempt.busy:
            return  # looked at again after the step
        self._admission.release(job_id)
        if attempt is None:
            return
        del self.attempts[job_id]
        if attempt.runs_on() and self._admission.has_account(attempt.provider):
            task = asyncio.create_task(self._steps.read_results.cancel_closed(attempt), name=f"cancel {job_id}")
            self._cancelling.add(failstop.watch(task, f"cancel {job_id}"))
            task.add_done_callback(self._cancelling.discard)

    def _go(self, this: OpenJob, step: Step, now_ms: int) -> None:
        """Claim a batch, or call; where the job may not go it is woken when it may."""
        decision = self._admission.admit(this.view, this.job)
        if decision.waits:
            self._wait(this, now_ms)
        elif decision.verdict is not AdmissionVerdict.GO:
            self._spawn(this, self._steps.submit.refuse(this, decision))
        elif step is Step.CLAIM:
            with_shadows = not this.job.plan.shadows or self._admission.lets_shadows(this.view, this.job, now_ms)
            self._steps.submit.claim(this, shadows=with_shadows)
        else:
            self._spawn(this, self._call(this))

    def _wait(self, this: OpenJob, now_ms: int) -> None:
        """Look again when the job may start, or must be given up for calls."""
        plan = this.job.plan
        times = [at for at in (plan.not_before_ms, plan.escalate_at_ms) if at is not None and at > now_ms]
        if times:
            self._due.consider(this.view.partition, this.job.job_id, (min(times) - now_ms) / 1000)

    def _poll(self, this: OpenJob) -> None:
        """Poll now, or for the first time when the batch is old enough for a look."""
        view, job, attempt = this
        if job.submission is not None and not attempt.polls:
            age_s = (self._clock.now_ms() - job.submission.append_ms) / 1000
            early_s = self._steps.read_results.delay_s(this) - age_s
            if early_s > 0:
                if attempt.puts_off_first_poll(self._clock.running_s(), early_s):
                    self._due.consider(view.partition, job.job_id, early_s)
                return
        self._spawn(this, self._steps.read_results.poll(this))

    async def _call(self, this: OpenJob) -> float | None:
        view, job, attempt = this
        attempt.takes_its_time()  # calls stand at the limiter for as long as it takes; each has its own time limit
        await self._steps.call.run(this, lambda: not self._stop.is_set() and not view.dead)
        if attempt.over:
            return None
        # Calls were skipped, because the partition went (if it has come back, its view asks what is left) or the account was
        # paused.
        self._admission.not_sent(view.partition, job)
        return _SKIPPED_S

    def _spawn(self, this: OpenJob, step: Coroutine[Any, Any, float | None]) -> None:
        view, job, attempt = this
        task = asyncio.create_task(step, name=f"job {job.job_id}")
        attempt.begin(task, self._clock.running_s())
        failstop.watch(task, f"job {job.job_id}")
        task.add_done_callback(lambda done: self._stepped(view.partition, job.job_id, attempt, done))

    def _stepped(self, partition: int, job_id: str, attempt: Attempt, done: "asyncio.Task[float | None]") -> None:
        attempt.stepped()
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

    @property
    def shadow_tasks(self) -> "list[asyncio.Task[Any]]":
        """The tasks that ask shadows of calls."""
        return self._steps.call.shadow_tasks

    def dropped(self, view: PartitionView) -> None:
        """Give back the claims of a partition that is going and that nobody has called upon."""
        for attempt in self.attempts.values():
            if attempt.partition == view.partition and not attempt.busy:
                self._steps.submit.relinquish(attempt)
                self._admission.release(attempt.job_id)
                if (job := view.state.jobs.get(attempt.job_id)) is not None and self._admission.has_account(attempt.provider):
                    self._admission.not_sent(view.partition, job)

    async def finish(self, timeout_s: float) -> None:
        """Let steps under way finish within the time, then let go of them. Nothing is cancelled at a provider."""
        for attempt in self.attempts.values():
            self._steps.submit.relinquish(attempt)
        tasks = [attempt.task for attempt in self.attempts.values() if attempt.task is not None]
        tasks += self.shadow_tasks
        if not tasks:
            return
        log.info("finishing_steps", steps=len(tasks), timeout_s=timeout_s)
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("steps_let_go", steps=len(late))
