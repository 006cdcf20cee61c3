"""How long a scrape takes while much is pending; it takes a minute and needs no Kafka.

    python -m bench.scrape [--pending 100000]

A scrape holds up the event loop for as long as it takes; the aim is 50 ms with 100,000 comparisons pending.
"""

import argparse
import cProfile
import pstats
import statistics
import time
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, generate_latest

from agents.metrics.counters import Metrics
from agents.status.queue_gauges import QueueCollector
from domain.answer import Answer
from tests.harness.filled import filled

_SCRAPES = 25


def main(comparisons: int) -> None:
    """Print the figures, and the profile of the slower case."""
    for members_a_job in (12, 1):
        pending = filled(comparisons // members_a_job * members_a_job, members_a_job)
        metrics = Metrics(CollectorRegistry())
        metrics.registry.register(QueueCollector(pending.snapshot))
        _print(f"/metrics, jobs of {members_a_job}", partial(generate_latest, metrics.registry))
        _judged(metrics)
        _print("  with verdicts of two models in lines of six sizes", partial(generate_latest, metrics.registry))
        _print(f"/status, jobs of {members_a_job}", pending.status)
        _print(f"/jobs, jobs of {members_a_job}", pending.jobs)
    profile = cProfile.Profile()
    profile.runcall(generate_latest, metrics.registry)
    pstats.Stats(profile).sort_stats("tottime").print_stats(8)


def _judged(metrics: Metrics) -> None:
    """Verdicts that fill every series that lines of these sizes have."""
    for model in ("claude-haiku-5-5", "gpt-6-luna"):
        for size in (1, 2, 4, 8, 16, 32):
            for winner in ("Essay A", "Essay B"):
                for confidence in range(1, 6):
                    answers = [Answer(winner, "", float(confidence))] * size
                    metrics.census.line("anthropic", model, "shared_essays", answers)


def _print(what: str, asked: Callable[[], object]) -> None:
    taken_ms = []
    for _ in range(_SCRAPES):
        began = time.perf_counter()
        asked()
        taken_ms.append((time.perf_counter() - began) * 1000)
    least, median, most = min(taken_ms), statistics.median(taken_ms), max(taken_ms)
    print(f"{what}: least {least:.1f}, median {median:.1f}, most {most:.1f} ms")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.scrape", description=__doc__.partition("\n")[0])
    parser.add_argument("--pending", type=int, default=100_000)
    main(parser.parse_args().pending)
