"""How long a scrape takes while much is pending: `python -m bench.scrape`, a minute, no Kafka.

A scrape holds up the event loop for as long as it takes; the aim is 50 ms with 100,000 comparisons pending.
"""

import cProfile
import pstats
import statistics
import time

from prometheus_client import CollectorRegistry, generate_latest

from agents import queue_snapshot
from agents.metrics import Metrics
from agents.runs import Run
from domain.comparison import Member
from domain.job import ClosedBy, Job, Plan, Policy, Submission, Transport
from domain.partition import PartitionState
from domain.rounds import Arrival, RoundEntry, Standing
from tables.view import PartitionView, Reading

_PENDING = 100_000
_SCRAPES = 25


def learn(state: PartitionState, offset: int, append_ms: int, count: int = 2, deadline_ms: int = 2_000_000) -> None:
    """One inbound record with a round of its own."""
    arrivals = tuple(
        Arrival(place, f"{offset}-{place}", "c", Standing.ACCEPTED, "openai", "m", "per_round", "p", 100, deadline_ms)
        for place in range(count)
    )
    state.learn_record(offset, [RoundEntry(f"cj:{offset}:0", offset, append_ms, arrivals, parts=1)], append_ms)


def filled_metrics(pending: int, members_a_job: int) -> Metrics:
    """A worker's metrics with so much pending in one partition: a fifth in windows, two fifths planned, two submitted.

    One in a hundred jobs is held.
    """
    state, runs, count = PartitionState(0), dict[str, Run](), pending // members_a_job
    for offset in range(count):
        learn(state, offset, 500_000 + offset, members_a_job)
    for offset in range(count * 4 // 5):
        job = Job(f"rb-{offset}", offset, 900_000, _plan(offset, members_a_job))
        state.learn_planned(job)
        runs[job.job_id] = Run(0, job.job_id, held=offset % 100 == 0)
        if offset % 2:
            state.learn_submission(job.job_id, Submission(offset, f"batch-{offset}", 950_000))
    metrics = Metrics(CollectorRegistry())
    view = PartitionView(0, state, Reading(count, count, count), Reading(0, 0, 0), caught_up=True)
    metrics.watch_queue(lambda: queue_snapshot.take([view], runs, "me", ("anthropic", "openai"), 1_000_000))
    return metrics


def _plan(offset: int, count: int) -> Plan:
    lines = tuple((Member(offset, place),) for place in range(count))
    return Plan(
        *("openai", "m", Transport.BATCH, "batch_api", lines),
        deadline_ms=2_000_000,
        closed_by=ClosedBy.COMPLETE,
        round_key=f"cj:{offset}:0",
        policy=Policy(),
    )


def main() -> None:
    """Print the figures, and the profile of the slower case."""
    for members_a_job in (12, 1):
        metrics = filled_metrics(_PENDING // members_a_job * members_a_job, members_a_job)
        taken_ms = []
        for _ in range(_SCRAPES):
            began = time.perf_counter()
            generate_latest(metrics.registry)
            taken_ms.append((time.perf_counter() - began) * 1000)
        least, median, most = min(taken_ms), statistics.median(taken_ms), max(taken_ms)
        print(f"jobs of {members_a_job}: least {least:.1f}, median {median:.1f}, most {most:.1f} ms")  # noqa: T201
    profile = cProfile.Profile()
    profile.runcall(generate_latest, metrics.registry)
    pstats.Stats(profile).sort_stats("cumulative").print_stats(12)


if __name__ == "__main__":
    main()
