"""Each interleaving's test can fail: with the fault it is about planted in the code, a promise is broken."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from agents.jobs.attempt import Attempt, OpenJob
from agents.jobs.dispatcher import Dispatcher
from agents.jobs.find_lost import FindLost
from agents.jobs.prompts import JobPrompts
from agents.jobs.submit import SubmitJob
from agents.records.collect import Collect
from agents.records.reconcile import Reconcile
from agents.windows.backlog import Backlog
from domain import reconciling
from domain.comparison import Member
from domain.job import Job, Plan
from domain.partition.state import PartitionState
from domain.reconciling import Verdict
from providers.protocol import Ask, Candidate, ProviderError
from streams.kafka.consumer import AckQueue
from streams.wire import work
from tables import build, rounds
from tables.in_flight import OnceAcked
from tables.view import PartitionView
from tests.model import test_interleavings_comparisons as comparisons
from tests.model import test_interleavings_jobs as jobs
from tests.model.provider import ModelProvider
from tests.model.table import MemoryTable
from tests.model.world import BrokenPromise, World

Patch = pytest.MonkeyPatch


# -- the plants ----------------------------------------------------------------------------------------------------------


def claim_not_read_back(patch: Patch) -> None:
    """The batch is created as soon as the claim has been sent."""
    claim = SubmitJob.claim

    def faulty(self: SubmitJob, of: OpenJob, *, shadows: bool) -> None:
        claim(self, of, shadows=shadows)
        of.attempt.task = asyncio.create_task(self.create(of))

    patch.setattr(SubmitJob, "claim", faulty)
    patch.setattr(SubmitJob, "_may_start", lambda *_: True)


def acked_before_the_sends(patch: Patch) -> None:
    """A record's offset is acked when it has been handled, its effects still in flight."""
    add = AckQueue.add
    patch.setattr(AckQueue, "add", lambda self, message, effects: add(self, message, []))


def unreadable_taken_for_absent(patch: Patch) -> None:
    """A list that could not be read counts as a scan that did not show the job."""
    find = FindLost.find

    async def faulty(self: FindLost, of: OpenJob) -> float | None:
        provider = self._accounts[of.account].provider
        scan = type(provider).candidates

        async def swallowing(claimed_ms: int) -> tuple[Candidate, ...]:
            try:
                return await scan(provider, claimed_ms)
            except ProviderError:
                return ()

        patch.setattr(provider, "candidates", swallowing)
        return await find(self, of)

    patch.setattr(FindLost, "find", faulty)


def plan_taken_unfiltered(patch: Patch) -> None:
    """JobPlanned takes its members from whichever job holds them."""

    def faulty(state: PartitionState, offset: int, append_ms: int, plan: Plan, number: int) -> Verdict:
        return Verdict(jobs=(state.job_of(plan, offset, append_ms, number),))

    patch.setattr(reconciling, "planned", faulty)


def fact_computed_anew(patch: Patch) -> None:
    """A record read again is judged under today's settings."""
    find = MemoryTable.find
    patch.setattr(MemoryTable, "find", lambda self, *where: None if self.name == rounds.NAME else find(self, *where))


def event_computed_anew(patch: Patch) -> None:
    """A TIMEOUT names what today's settings resolve."""
    decide = Reconcile._decide

    def faulty(self: Reconcile, of: PartitionView, record: work.WorkRecord, offset: int, append_ms: int) -> Verdict:
        if isinstance(record, work.DeadlinePassed):
            pending = of.state.pending
            late = (
                replace(one, model=pending[one.member].resolved.model) if one.member in pending else one
                for one in record.overdue
            )
            record = work.DeadlinePassed(overdue=tuple(late))
        return decide(self, of, record, offset, append_ms)

    patch.setattr(Reconcile, "_decide", faulty)


def lines_cut_again(patch: Patch) -> None:
    """Custom ids count the lines that are sent."""
    each = JobPrompts.each

    def faulty(self: JobPrompts, of: PartitionView, job: Job, *more: Any) -> Iterator[Ask]:
        for number, ask in enumerate(each(self, of, job, *more)):
            yield replace(ask, custom_id=job.custom_id(number))

    patch.setattr(JobPrompts, "each", faulty)


def known_record_skipped(patch: Patch) -> None:
    """A record whose `rounds` entry is there counts as collected."""
    put = Collect._put

    def faulty(self: Collect, of: PartitionView, message: Any, judged: Any, *more: Any) -> None:
        keys = [rounds.key(of.partition, entry) for entry in judged.entries]
        if not any(self._tables.rounds.find(of.partition, key) for key in keys):
            put(self, of, message, judged, *more)

    patch.setattr(Collect, "_put", faulty)


def view_ahead_of_the_log(patch: Patch) -> None:
    """A rebuilt view holds all facts that the tables hold."""
    in_log_order = build._in_log_order
    patch.setattr(build, "_in_log_order", lambda facts, before: in_log_order(facts, 1 << 60))


def call_forgotten(patch: Patch) -> None:
    """What a process has called upon is forgotten with the partition."""
    patch.setattr(Dispatcher, "dropped", lambda self, of: self.attempts.clear())


def job_keeps_what_has_moved_on(patch: Patch) -> None:
    """A job is open, and owns its members, until they have ended."""
    patch.setattr(PartitionState, "_disown", lambda self, member: self.owner.pop(member, None))

    def owned(self: PartitionState, job_id: str) -> tuple[Member, ...]:
        job = self.jobs.get(job_id)
        return () if job is None else tuple(member for member in job.plan.members if not self.has_ended(member))

    patch.setattr(PartitionState, "owned", owned)


def end_that_names_no_claim(patch: Patch) -> None:
    """JobEnded counts whatever claim stands."""
    job_ended = reconciling.job_ended

    def faulty(state: PartitionState, *place: int, job_id: str, claim_offset: int | None, **fields: Any) -> Verdict:
        job = state.jobs.get(job_id)
        standing = job.claim.offset if job is not None and job.claim is not None else None
        return job_ended(state, *place, job_id=job_id, claim_offset=standing, **fields)

    patch.setattr(reconciling, "job_ended", faulty)


def missing_taken_for_finished(patch: Patch) -> None:
    """A request without an entry is finished, wherever collect stands."""
    patch.setattr(PartitionView, "has_passed", lambda self, offset: True)


def end_not_looked_for(patch: Patch) -> None:
    """Finished requests are announced by the worker that finished them, or never."""
    right = build.build

    async def faulty(*args: Any, **fields: Any) -> PartitionView:
        made = await right(*args, **fields)
        made.once_acked = OnceAcked()
        return made

    patch.setattr(build, "build", faulty)


def paused_not_read(patch: Patch) -> None:
    """A paused partition is not caught up."""
    check = PartitionView.check_caught_up

    def faulty(self: PartitionView, now_ms: int) -> bool:
        paused, self.inbound_paused = self.inbound_paused, False
        try:
            return check(self, now_ms)
        finally:
            self.inbound_paused = paused

    patch.setattr(PartitionView, "check_caught_up", faulty)


def paused_while_reconcile_waits(patch: Patch) -> None:
    """Intake is paused although a work record waits for collect."""
    bound = Backlog.bound

    def faulty(self: Backlog, views: Iterable[PartitionView]) -> None:
        waiting = [(of, of.waits_for_collect) for of in views]
        for of, _ in waiting:
            of.waits_for_collect = deque()
        bound(self, views)
        for of, records in waiting:
            of.waits_for_collect = records

    patch.setattr(Backlog, "bound", faulty)


def recovery_skips_what_others_wrote(patch: Patch) -> None:
    """Recovery goes on behind the last entry of one's own."""

    def faulty(self: MemoryTable, sent: "asyncio.Future[Any]") -> None:
        self._store.recovered = max(self._store.recovered, sent.result().offset + 1)

    patch.setattr(MemoryTable, "_persisted", faulty)


def end_ignored_for_good(patch: Patch) -> None:
    """A job whose JobEnded has been sent is over, though it was ignored."""
    patch.setattr(Attempt, "is_over", lambda self, job: self.over)


def clock_looked_at_before_the_upload(patch: Patch) -> None:
    """Whether the claim holds is asked before the job is uploaded."""
    create = ModelProvider.create

    async def faulty(
        self: ModelProvider, job_id: str, asks: Sequence[Ask], *, start: Callable[[], bool], timeout_s: float
    ) -> str:
        may_start = start()
        return await create(self, job_id, asks, start=lambda: may_start, timeout_s=timeout_s)

    patch.setattr(ModelProvider, "create", faulty)


# -- and what they break -------------------------------------------------------------------------------------------------


Play = Callable[[World], Awaitable[None]]

PLANTS: list[tuple[Callable[[Patch], None], str, Play]] = [
    (claim_not_read_back, "paid twice", lambda world: jobs.test_14_a_batch_is_paid_twice_when_two_claim_it(world, "a")),
    (acked_before_the_sends, "lost", comparisons.test_15_an_event_is_lost_when_its_offset_is_acked_before_it_is_sent),
    (unreadable_taken_for_absent, "paid twice", jobs.test_12_a_list_that_could_not_be_read_does_not_say_absent),
    (plan_taken_unfiltered, "paid twice", lambda world: jobs.test_16_a_batch_is_paid_twice_when_two_plan_it(world, True)),
    (
        fact_computed_anew,
        "written with 2 different values",
        comparisons.test_07_a_fact_is_written_with_two_values_when_settings_change,
    ),
    (
        event_computed_anew,
        "2 different events",
        lambda world: comparisons.test_07_one_request_ends_in_two_events_when_settings_change(world, "result"),
    ),
    (lines_cut_again, "the answer of another", jobs.test_13_an_answer_goes_to_the_wrong_member_when_lines_are_cut_again),
    (
        known_record_skipped,
        "lost",
        lambda world: comparisons.test_01_a_request_is_lost_when_one_of_its_two_puts_is(world, "rounds", False),
    ),
    (view_ahead_of_the_log, "paid twice", jobs.test_02_an_answer_goes_to_the_wrong_member_when_the_tables_are_ahead),
    (call_forgotten, "paid twice", jobs.test_03_a_batch_is_paid_twice_when_the_partition_comes_back),
    (job_keeps_what_has_moved_on, "paid twice", jobs.test_04_a_batch_is_paid_twice_when_a_claim_comes_after_the_end),
    (job_keeps_what_has_moved_on, "paid twice", jobs.test_11_a_second_end_plans_again_what_has_moved_on),
    (
        end_that_names_no_claim,
        "paid twice",
        lambda w: jobs.test_05_a_batch_is_paid_twice_when_an_end_does_not_know_of_the_claim(w, ""),
    ),
    (missing_taken_for_finished, "lost", comparisons.test_06_an_outcome_is_lost_when_reconcile_is_ahead_of_collect),
    (end_not_looked_for, "never deleted", comparisons.test_08_a_request_is_never_deleted_when_its_end_was_not_announced),
    (end_not_looked_for, "never deleted", comparisons.test_09_a_deleted_request_comes_back),
    (paused_not_read, "lost", lambda world: comparisons.test_10_a_backlog_above_the_bound_is_a_deadlock(world, False)),
    (
        paused_while_reconcile_waits,
        "lost",
        lambda world: comparisons.test_10_a_backlog_above_the_bound_is_a_deadlock(world, True),
    ),
    (end_ignored_for_good, "lost", jobs.test_17_a_job_is_forgotten_when_the_claim_given_back_was_not_the_one_that_stands),
    (
        recovery_skips_what_others_wrote,
        "paid twice",
        jobs.test_19_a_batch_is_paid_twice_when_a_late_entry_moves_recovery_past_a_claim,
    ),
    (
        clock_looked_at_before_the_upload,
        "a claim that had run out",
        jobs.test_18_a_claim_that_runs_out_while_the_job_is_uploaded_is_not_called_upon,
    ),
]
IDS = [f"{plant.__name__}-{number}" for number, (plant, *_) in enumerate(PLANTS)]


@pytest.mark.parametrize(("plant", "broken", "play"), PLANTS, ids=IDS)
async def test_the_plant_breaks_a_promise(
    world: World, monkeypatch: Patch, plant: Callable[[Patch], None], broken: str, play: Play
) -> None:
    plant(monkeypatch)
    with pytest.raises(BrokenPromise, match=broken):
        await play(world)
