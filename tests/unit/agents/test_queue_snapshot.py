"""What a scrape is told of the queue, and that it is told at once however much is pending."""

import asyncio
import sys
from typing import Any

import pytest
from prometheus_client import generate_latest

from agents.jobs.attempt import Attempt
from agents.status import queue_snapshot
from agents.status.queue_snapshot import QueueSnapshot
from domain.job import Claim, Job, Submission, Transport
from domain.partition.state import PartitionState
from tables.view import PartitionView, ReadProgress
from tests.harness.filled import filled_metrics, learn
from tests.model.values import attempt, members, plan

NOW_MS = 1_000_000


def view_of(state: PartitionState, **more: Any) -> PartitionView:
    fields = {"inbound": ReadProgress(0, 0, 0), "work": ReadProgress(0, 0, 0), "caught_up": True, **more}
    return PartitionView(state.partition, state, **fields)


def take(*views: PartitionView, attempts: dict[str, Attempt] | None = None) -> QueueSnapshot:
    return queue_snapshot.take(views, attempts or {}, "me", ("openai",), NOW_MS)


def test_windows_and_what_waits_in_them() -> None:
    one, other = PartitionState(0), PartitionState(1)
    learn(one, 0, 900_000)
    learn(one, 1, 990_000)
    learn(other, 0, 940_000, deadline_ms=1_300_000)
    found = take(
        view_of(one, inbound=ReadProgress(2, 2, acked=1, log_end=7)),
        view_of(other, work=ReadProgress(9, 9, 9, log_end=4), caught_up=False, inbound_paused=True),
    )
    assert found.pending == {("openai", "per_round"): 6}
    assert (found.windows, found.gathering, found.oldest_window_s) == ({"per_round": 3}, 6, {"per_round": 100.0})
    assert (found.oldest_pending_s, found.oldest_comparison_s) == (100.0, {"window": 100.0})
    assert (found.nearest_deadline_s, found.known_ids, found.lag) == (300.0, 6, {"request": 6, "work": 0})
    assert (found.partitions_assigned, found.partitions_caught_up, found.partitions_paused) == (2, 1, 1)


def test_jobs_by_state_with_how_long_they_are_in_it_and_how_old_their_comparisons_are() -> None:
    state, attempts = PartitionState(0), dict[str, Attempt]()
    for offset in range(7):
        learn(state, offset, 900_000 + offset)
    facts: list[tuple[str, Claim | None, Submission | None, Transport]] = [
        ("planned", None, None, Transport.BATCH),
        ("calling", None, None, Transport.CALL),
        ("claimed", Claim(20, "me", 960_000, 30.0, "k"), None, Transport.BATCH),
        ("unknown", Claim(21, "other", 950_000, 30.0, "k"), None, Transport.BATCH),
        ("submitted", None, Submission(22, "b1", 970_000), Transport.BATCH),
        ("held", None, Submission(23, "b2", 940_000), Transport.BATCH),
    ]
    for offset, (name, claim, submission, transport) in enumerate(facts):
        state.learn_planned(Job(name, 10 + offset, 930_000, plan(members(2, offset), transport=transport)))
        if claim is not None:
            state.learn_claim(name, claim)
        if submission is not None:
            state.learn_submission(name, submission)
    done: asyncio.Future[Any] = asyncio.Future(loop=asyncio.new_event_loop())
    done.get_loop().close()
    attempts["calling"] = attempt(0, "calling", task=done)
    attempts["held"] = attempt(0, "held", held=True)
    attempts["elsewhere"] = attempt(1, "elsewhere", held=True)

    found = take(view_of(state), attempts=attempts)

    assert found.jobs == {("openai", name): 1 for name, *_ in facts}
    entered = {"planned": 70, "calling": 70, "claimed": 40, "unknown": 50, "submitted": 30, "held": 60}
    assert {state: age for (_, state), age in found.oldest_job_s.items()} == entered
    ages = {"window": 99.994} | {name: 100 - place / 1000 for place, (name, *_) in enumerate(facts)}
    assert found.oldest_comparison_s == pytest.approx(ages)


def test_an_empty_queue() -> None:
    found = take(view_of(PartitionState(0)))
    assert (found.oldest_pending_s, found.nearest_deadline_s, found.windows, found.jobs) == (0.0, float("inf"), {}, {})


@pytest.mark.parametrize(("pending", "members_a_job", "most_lines"), [(24_000, 12, 0.5), (4_000, 1, 3.0)])
def test_a_scrape_walks_nothing_that_is_pending(pending: int, members_a_job: int, most_lines: float) -> None:
    """Windows and held jobs are walked: 0.2 lines of Python for each comparison in rounds of twelve, 2.1 where each is alone.

    To walk the comparisons would take two more for each. bench/scrape.py measures the time.
    """
    assert lines_of_a_scrape(pending, members_a_job) - lines_of_a_scrape(0, 1) <= pending * most_lines


def lines_of_a_scrape(pending: int, members_a_job: int) -> int:
    """How many lines, calls and returns Python goes through; the same each time, however busy the machine is."""
    metrics = filled_metrics(pending, members_a_job)
    body = generate_latest(metrics.registry)
    assert f"llm_provider_queue_depth {pending}.0".encode() in body
    count = 0

    def trace(frame: object, event: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        generate_latest(metrics.registry)
    finally:
        sys.settrace(before)
    return count
