"""dispatcher: looks at open jobs when their facts are acknowledged or their time has come, and does the next step.

Tasks, not agents: they write no table and send only to the work topic. One heap of (time, job), no task per waiting job.
"""

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any

import structlog

from agents.accounts.admission import Admission
from agents.jobs.attempt import Run
from agents.jobs.call import Calls
from agents.jobs.find_lost import Finding
from agents.jobs.read_results import Reading
from agents.jobs.submit import Submitting
from agents.liveness.heartbeats import silent
from agents.partitions.log_fields import about
from agents.partitions.views import Views
from domain.budget import Word
from domain.job import Job
from domain.next_step import Step, next_step
from streams import failstop
from streams.clock import Clock
from tables.view import PartitionView

log = structlog.get_logger("dispatcher")
_READ_BACK_S = 0.2
_BEAT_S = 10.0  # at least one turn, and sign of life, in so long
_SKIPPED_S = 0.2


class Dispatcher:
    """Schedules the steps of all open jobs of this worker's partitions."""

    def __init__(
        self,
        views: Views,
        submitting: Submitting,
        reading: Reading,
        finding: Finding,
        calls: Calls,
        admission: Admission,
        clock: Clock,
        worker_run: str,
    ) -> None:
        self._views, self._calls = views, calls
        self._submit, self._reading, self._finding = submitting, reading, finding
        self._admission = admission
        admission.wakes(self._wakes)
        self._clock, self._worker_run = clock, worker_run
        self._due: list[tuple[float, int, str]] = []
        self._wake = asyncio.Event()
        self.runs: dict[str, Run] = {}
        self._abandoning: set[asyncio.Future[Any]] = set()
        self.stopping = False
        self.heartbeat = silent()

    def consider(self, partition: int, job_id: str, delay_s: float = 0.0) -> None:
        """Look at a job, now or later."""
        heapq.heappush(self._due, (self._clock.running_s() + delay_s, partition, job_id))
        self._wake.set()

    def consider_all(self, view: PartitionView) -> None:
        """Look at every open job of a partition: it has just been built, or has caught up."""
        for job_id in (*view.state.jobs, *view.abandoned):
            self.consider(view.partition, job_id)

    async def run(self) -> None:
        """Work off what is due, until cancelled."""
        while True:
            self.heartbeat.beat()
            wait_s = _BEAT_S
            while self._due:
                wait_s = self._due[0][0] - self._clock.running_s()
                if wait_s > 0:
                    break
                _, partition, job_id = heapq.heappop(self._due)
                with failstop.guard("dispatcher"):
                    self._look(partition, job_id)
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), timeout=max(0.001, wait_s))
            except TimeoutError:
                continue

    def _look(self, partition: int, job_id: str) -> None:
        view = self._views.current(partition)
        if view is None or not view.caught_up or self.stopping:
            return  # every job is considered when the partition has caught up
        job = view.state.jobs.get(job_id)
        run = self.runs.get(job_id)
        if job is None:
            self._look_at_closed(view, job_id, run)
            return
        if run is None:
            run = self.runs[job_id] = Run(partition, job_id, provider=job.plan.provider, about=about(view, job))
        # Acted upon only when acknowledged: a fact that is lost with this process must not have led to anything.
        if run.task is not None or run.is_over(job) or job.last_offset >= view.work.acked:
            return
        if run.submission_sent and job.submission is None:
            return  # on its way through the log
        if not self._admission.has_account(job.plan.provider):
            self.consider(
                partition, job_id, self._finding.hold(job, run, f"provider {job.plan.provider} has no key in this worker")
            )
            return
        self._act(view, job, run)

    def _look_at_closed(self, view: PartitionView, job_id: str, run: Run | None) -> None:
        """A job that owns no open member any more."""
        closed = view.abandoned.pop(job_id, None)
        if run is None and closed is not None and closed.submission is not None:  # another process submitted it
            run = self.runs[job_id] = Run(view.partition, job_id, provider=closed.plan.provider, about=about(view, closed))
            run.provider_job_id = closed.submission.provider_job_id
        if run is None or run.task is None:
            self._admission.release(job_id)
        if run is not None and run.task is None:
            self._forget(run)

    def _forget(self, run: Run) -> None:
        """Forget a job that owns no open member; a batch of it that still runs is cancelled."""
        del self.runs[run.job_id]
        if run.provider_job_id is not None and not run.read and self._admission.has_account(run.provider):
            task = asyncio.create_task(self._reading.abandon(run.provider, run), name=f"abandon {run.job_id}")
            self._abandoning.add(failstop.watch(task, f"abandon {run.job_id}"))
            task.add_done_callback(self._abandoning.discard)

    def _act(self, view: PartitionView, job: Job, run: Run) -> None:
        now_ms = self._clock.now_ms()
        step = next_step(
            job,
            worker_run=self._worker_run,
            claim_age_s=None if run.claim_sent_s is None else self._clock.running_s() - run.claim_sent_s,
            called=run.called,
            now_ms=now_ms,
        )
        match step:
            case Step.WAIT:
                self._wait(view, job, now_ms)
            case Step.ESCALATE:
                self._spawn(view, job, run, self._submit.escalate(job, run))
            case Step.CLAIM | Step.CALL:
                self._go(view, job, run, step, now_ms)
            case Step.CREATE:
                self._spawn(view, job, run, self._submit.create(view, job, run))
            case Step.GIVE_BACK:
                self._spawn(view, job, run, self._submit.give_back(view, job, run))
            case Step.FIND:
                self._spawn(view, job, run, self._finding.find(job, run))
            case Step.POLL:
                self._poll(view, job, run)

    def _go(self, view: PartitionView, job: Job, run: Run, step: Step, now_ms: int) -> None:
        """Claim a batch, or call; where the job may not go it is woken when it may."""
        decision = self._admission.admit(view, job)
        if decision.word is Word.HOLD:
            self._wait(view, job, now_ms)
        elif decision.word is not Word.GO:
            self._spawn(view, job, run, self._submit.refuse(job, run, decision))
        elif step is Step.CLAIM:
            self._submit.claim(view, job, run)
        else:
            self._spawn(view, job, run, self._call(view, job, run))

    def _wait(self, view: PartitionView, job: Job, now_ms: int) -> None:
        """Look again when the job may start, or must be given up for calls."""
        times = [at for at in (job.plan.not_before_ms, job.plan.escalate_at_ms) if at is not None and at > now_ms]
        if times:
            self.consider(view.partition, job.job_id, (min(times) - now_ms) / 1000)

    def _wakes(self, partition: int, job_id: str) -> bool:
        view = self._views.current(partition)
        if view is None or job_id not in view.state.jobs:
            return False
        self.consider(partition, job_id)
        return True

    def _poll(self, view: PartitionView, job: Job, run: Run) -> None:
        """Poll now, or for the first time when the batch is old enough for a look."""
        if job.submission is not None and not run.polls:
            age_s = (self._clock.now_ms() - job.submission.append_ms) / 1000
            early_s = self._reading.delay_s(job, run) - age_s
            if early_s > 0:
                # Once: it is looked at for its Submitted and for the step that sent it, and polls would go on in two lines.
                if run.first_poll_s <= self._clock.running_s():
                    run.first_poll_s = self._clock.running_s() + early_s
                    self.consider(view.partition, job.job_id, early_s)
                return
        self._spawn(view, job, run, self._reading.poll(view, job, run))

    async def _call(self, view: PartitionView, job: Job, run: Run) -> float | None:
        run.alive_s = None  # calls stand at the limiter for as long as it takes; each has its own time limit
        await self._calls.run(view, job, run, lambda: not self.stopping and not view.dead)
        if run.over:
            return None
        # Calls were skipped, because the partition went (if it has come back, its view asks what is left) or the account was
        # paused.
        self._admission.not_sent(view.partition, job)
        return _SKIPPED_S

    def _spawn(self, view: PartitionView, job: Job, run: Run, step: Coroutine[Any, Any, float | None]) -> None:
        run.alive_s = self._clock.running_s()
        task = run.task = asyncio.create_task(step, name=f"job {job.job_id}")
        failstop.watch(task, f"job {job.job_id}")
        task.add_done_callback(lambda done: self._stepped(view.partition, job.job_id, run, done))

    def _stepped(self, partition: int, job_id: str, run: Run, done: "asyncio.Task[float | None]") -> None:
        run.task = None
        self._admission.release(job_id)
        if done.cancelled() or done.exception() is not None:
            return
        delay_s = done.result()
        # None: a record was sent, and its reading back leads on. Looked at once more all the same: with several brokers that
        # record may be read and acked before its own send is acknowledged, and that look found this task still at work.
        self.consider(partition, job_id, _READ_BACK_S if delay_s is None else delay_s)

    def silent_s(self) -> float:
        """For how long the step that hangs the longest has given no sign of life; 0 with none under way."""
        alive = [run.alive_s for run in self.runs.values() if run.task is not None and run.alive_s is not None]
        return self._clock.running_s() - min(alive) if alive else 0.0

    def relinquish(self, view: PartitionView) -> None:
        """Give back the claims of a partition that is going and that nobody has called upon."""
        for run in self.runs.values():
            if run.partition == view.partition and run.task is None:
                self._submit.relinquish(run)
                self._admission.release(run.job_id)
                if (job := view.state.jobs.get(run.job_id)) is not None and self._admission.has_account(run.provider):
                    self._admission.not_sent(view.partition, job)

    async def stop(self, timeout_s: float) -> None:
        """Begin nothing more; let steps under way finish within the time, then let go of them. Nothing is cancelled there."""
        self.stopping = True
        for run in self.runs.values():
            self._submit.relinquish(run)
        tasks = [run.task for run in self.runs.values() if run.task is not None]
        if not tasks:
            return
        log.info("finishing_steps", steps=len(tasks), timeout_s=timeout_s)
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("steps_let_go", steps=len(late))
