"""A status with something of everything, as a worker would tell it."""

import asyncio
from typing import Any

from agents.accounts.batch_queue import Amount, BatchQueueState
from agents.jobs.attempt import Attempt
from agents.status import job_listing, queue_snapshot, report
from domain.job import Claim, Job, Submission, Transport
from domain.partition.state import PartitionState
from domain.rounds import Arrival, RoundEntry, Standing
from providers.limits.account_limits import AccountState, LimitState
from streams.wire.status.judges import JudgesStatus, JudgeStatus, Mean
from streams.wire.status.money import (
    PAUSED,
    AccountAvailability,
    Day,
    MoneyStatus,
    PaidBatch,
    PaidBatches,
    Prices,
    WaitingForMoney,
)
from streams.wire.status.open_jobs import OpenJobs
from streams.wire.status.rankings import BatchRanking, Rankings, UnlikelyLine
from streams.wire.status.told import Status
from tables.view import PartitionView, ReadProgress
from tests.model.values import attempt, members, plan

NOW_MS, MINUTE_MS = 1_795_576_000_000, 60_000
#: In round names it must be shown as it is, and do nothing.
EVIL = "<img src=x onerror=document.title='hit'>"
MONEY = MoneyStatus(
    accounts=[
        AccountAvailability("anthropic", 0),
        AccountAvailability(
            "openai",
            waiting_jobs=4,
            state=PAUSED,
            reason="quota",
            code="QUOTA_EXCEEDED",
            message="HTTP 429 insufficient_quota",
            since_ms=NOW_MS - 18_000,
            next_try_s=42.0,
            tries=1,
        ),
    ],
    day=Day(limit_usd=5.0, share_usd=5.0, spent_usd=1.8342, reserved_usd=0.4, ends_ms=NOW_MS + 9 * 60 * MINUTE_MS),
    batch=PaidBatches(2.0, [PaidBatch("bos-7", 0.75, 0.2)]),
    excess="hold",
    held=WaitingForMoney(jobs=0, comparisons=0),
    prices=Prices("genai-prices 0.2.3", "2026-11-10", [("openai", "gpt-7", False)]),
)
JUDGES = JudgesStatus(
    [
        JudgeStatus(
            "anthropic",
            "claude-haiku-5-5-20261001",
            audits=1_204,
            measures={
                "excess": Mean(0.004, -0.009, 0.017),
                "shift": Mean(0.041, 0.022, 0.06),
                "position": Mean(0.012, 0.001, 0.023),
            },
            retest=Mean(0.098, 0.083, 0.116),
            finding="bent",
            alarms=["shift"],
            limit=8,
        ),
        JudgeStatus(
            "openai",
            "gpt-6-luna",
            audits=140,
            measures={"position": Mean(-0.004, -0.03, 0.022)},
            retest=Mean(0.1, 0.06, 0.161),
            finding="not known yet (140 of about 246)",
            alarms=[],
            limit=None,
        ),
    ],
    month_usd=0.2604,
)
ROUNDS = {  # inbound offset: name, its age in minutes, comparisons that came
    0: ("cj:142:0", 55, 12),
    1: ("cj:140:1", 31, 12),
    2: ("cj:139:0", 14, 12),
    3: ("cj:141:0", 5, 12),
    4: ("cj:138:2", 2, 11),
    5: (f"cj:{EVIL}:0", 1, 7),
}


def view() -> PartitionView:
    """Two rounds that gather, a batch that is submitted and half answered, calls under way, a held job and a planned one."""
    state = PartitionState(0)
    for offset, (name, minutes, count) in ROUNDS.items():
        arrivals = tuple(
            Arrival(place, f"{offset}-{place}", "c", Standing.ACCEPTED, "openai", "m", "per_round", "p", 9, NOW_MS + 800_000)
            for place in range(count)
        )
        append_ms = NOW_MS - minutes * MINUTE_MS
        state.learn_record(offset, [RoundEntry(name, offset, append_ms, arrivals, announced=12)], append_ms)
    for offset in range(4):
        name, minutes, count = ROUNDS[offset]
        claude = offset < 2
        planned = plan(
            members(count, offset),
            provider="anthropic" if claude else "openai",
            model="claude-haiku-5-5" if claude else "gpt-6-luna",
            round_key=name,
            transport=Transport.CALL if offset == 3 else Transport.BATCH,
            deadline_ms=NOW_MS + (800_000 if offset == 0 else 9_000_000),
        )
        state.learn_planned(Job(f"job-{offset}", offset, NOW_MS - minutes * MINUTE_MS + 2_000, planned))
    for offset in (0, 2):
        state.learn_claim(f"job-{offset}", Claim(10 + offset, "me", NOW_MS - 13 * MINUTE_MS, 130.0, "k"))
    state.learn_submission("job-2", Submission(20, "batch_68f1", NOW_MS - 12 * MINUTE_MS))
    return PartitionView(0, state, ReadProgress(6, 6, 6), ReadProgress(30, 30, 27), caught_up=True)


def attempts(task: "asyncio.Task[Any] | None" = None) -> dict[str, Attempt]:
    """What the process knows of the jobs; with a task, calls are under way."""
    return {
        "job-2": attempt(0, "job-2", rows_done=6),
        "job-3": attempt(0, "job-3", task=task),
        "job-0": attempt(0, "job-0", held=True),
    }


def listed(task: "asyncio.Task[Any] | None" = None) -> OpenJobs:
    """The open jobs that the worker would list at /jobs."""
    return job_listing.listing([view()], attempts(task), "3f9c2a7be1", NOW_MS)


def told(task: "asyncio.Task[Any] | None" = None) -> Status:
    """The status that the worker would tell; with a task, calls are under way."""
    shown, known = view(), attempts(task)
    limits = {"requests": LimitState(50.0, 31.0, 12.0), "input_tokens": LimitState(40_000.0, 1_200.0)}
    return report.tell(
        [shown],
        known,
        queue_snapshot.take([shown], known, "me", ("anthropic", "openai"), NOW_MS),
        report.ProcessFacts("3f9c2a7be1", NOW_MS, 93_000.0, ()),
        limits={
            "anthropic": AccountState({}, {}, {}, 0, 0, 16, 1.0),
            "openai": AccountState({"gpt-6-luna": limits}, {}, {"gpt-6-luna": 12.0}, 9, 3, 16, 1.0, 0.7),
        },
        batch_queues={("anthropic", ""): BatchQueueState(Amount(240, 500_000), 1_000.0, None, waiting=2, throttled_s=31.5)},
        money=MONEY,
        judges=JUDGES,
        results={"answered": 1_482, "TIMEOUT": 2},
        silent_s={"timers": 0.1, "outbox": 75.0},
    )


def ranked() -> Rankings:
    """Two open batches: one with all that can be odd about it, and one of which nothing is answered."""
    odd = BatchRanking(
        batch=f"cj:{EVIL}",
        partition=0,
        asked=288,
        answered=240,
        failed=2,
        unseen=6,
        essays=24,
        least=9,
        mean=19.5,
        groups=2,
        reliability=0.8214,
        upper_bound=True,
        order_points=-0.0312,
        order_surely=True,
        suspects=1,
        unlikely_lines=[UnlikelyLine("cj:138:0", "rb-0-7-abc-0", 3, 8)],
    )
    begun = BatchRanking("cj:139", 1, 12, 0, 0, 0, 0, 0, 0.0, 0, None, False, None, False, 0, [])
    return Rankings(NOW_MS, 2, [odd, begun])


class Teller:
    """A worker that tells this, as far as its endpoints ask it."""

    def __init__(self, status: Status | None = None, jobs: OpenJobs | None = None) -> None:
        self._status, self._jobs = status or told(), jobs or listed()
        self.lines: list[str] = []

    def not_ready(self) -> list[str]:
        """What is not ready, as a test has set it."""
        return self.lines

    def status(self) -> Status:
        """Of /status."""
        return self._status

    def jobs(self) -> OpenJobs:
        """Of /jobs."""
        return self._jobs

    async def rankings(self) -> Rankings:
        """Of /rankings."""
        return ranked()
