"""What our own code takes for each comparison, step by step: no Kafka, no Faust, no event loop; everything sent is thrown away.

    python -m bench.records [--rounds 500] [--size 12] [--profile FILE]

The records are those of bench.throughput, the tables are real ones on disk, and the handlers are the worker's. Each step is run
for all records before the next one, and its processor time is divided by the comparisons. `--profile`: what cProfile finds.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faust.types import Message
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from agents.jobs.outcomes import outcomes_of
from agents.jobs.prompts import JobPrompts
from agents.metrics.counters import Metrics
from agents.planning.prices import price_book
from agents.records.collect import Collect
from agents.records.dead_letters import DeadLetters
from agents.records.reconcile import Reconcile
from agents.records.work_log import WorkLog
from agents.windows.closer import Closer
from bench import load
from bench.instant import InstantProvider
from domain.job import Job
from settings.provider import AnthropicSettings
from settings.settings import Settings
from streams import logs
from streams.clock import SystemClock
from streams.kafka.app import make_app
from streams.wire import work
from streams.wire.request_events import round_event
from tables.build import build
from tables.declared import declare
from tables.view import PartitionView, ReadProgress

CALLBACK = "huleedu.llm_provider.comparison_result.v1"


class Thrown:
    """An outbox that keeps the records of the work topic and throws everything else away."""

    def __init__(self, work_topic: str) -> None:
        self._work_topic, self.records = work_topic, list[bytes]()

    def send(self, topic: str, value: bytes | None, **_: Any) -> "asyncio.Future[Any]":
        if topic == self._work_topic and value is not None:
            self.records.append(value)
        return asyncio.get_running_loop().create_future()

    def take(self) -> list[bytes]:
        """The records sent since the last time."""
        taken, self.records = self.records, []
        return taken


@dataclass
class Steps:
    """Times of steps, in µs a comparison."""

    comparisons: int
    profile: cProfile.Profile | None
    took_us: dict[str, float] = field(default_factory=dict)

    def take(self, name: str, step: Callable[[Any], object], items: Iterable[Any]) -> None:
        """Do a step for each of these."""
        given = list(items)
        if self.profile is not None:
            self.profile.enable()
        began = time.thread_time()
        for one in given:
            step(one)
        took = time.thread_time() - began
        if self.profile is not None:
            self.profile.disable()
        self.took_us[name] = took / self.comparisons * 1e6


def settings_of(folder: Path) -> Settings:
    """Of a worker that has a key for Anthropic, and no Kafka."""
    account = AnthropicSettings(api_key=SecretStr("key"))
    return Settings(state_dir=folder, kafka_bootstrap_servers="127.0.0.1:1", anthropic=account)


async def measure(folder: Path, rounds: int, size: int, profile: cProfile.Profile | None) -> dict[str, float]:
    """All steps of so many rounds, one batch job each."""
    settings = settings_of(folder)
    outbox: Any = Thrown(settings.work_topic)
    tables = declare(make_app(settings), settings, outbox)
    metrics, clock = Metrics(CollectorRegistry()), SystemClock()
    letters = DeadLetters(settings, outbox, metrics, clock)
    collect = Collect(settings, tables, outbox, letters, metrics, clock)
    reconcile = Reconcile(tables, outbox, letters, metrics, clock, None)
    work_log, prompts, prices = (
        WorkLog(settings.work_topic, outbox),
        JobPrompts(settings, tables, metrics.audits),
        price_book(settings),
    )
    closer = Closer(settings, work_log, clock)
    view = await build(tables, 0, inbound=ReadProgress(0, 0, 0), work=ReadProgress(0, 0, 0), now_ms=clock.now_ms())
    view.caught_up = True
    steps, provider = Steps(rounds * size, profile), InstantProvider("anthropic")

    def messages(topic: str, values: Iterable[bytes], first: int) -> list[Message]:
        now_s = time.time()
        return [Message(topic, 0, first + at, now_s, 1, None, None, value, None) for at, value in enumerate(values)]

    async def reconciled(name: str) -> None:
        await asyncio.sleep(0)  # what was said in this turn goes to the outbox
        found = messages(settings.work_topic, outbox.take(), view.work.next)
        steps.take(name, lambda message: reconcile.handle(view, message), found)
        view.work.acked = view.work.next

    raw = [round_event([load.body(number, place, CALLBACK) for place in range(size)]) for number in range(rounds)]
    steps.take("collect", lambda message: collect.handle(view, message), messages("requests", raw, 0))
    view.inbound.acked = rounds
    steps.take("closing windows", lambda _: closer.close_due(view), [None])
    await reconciled("reconcile: planned")
    jobs: list[Job] = list(view.state.jobs.values())

    def claim(job: Job) -> None:
        work_log.send(0, work.SubmitClaimed(job_id=job.job_id, worker_run="r", start_within_s=30.0, key_hash="0" * 12))

    steps.take("claims", claim, jobs)
    await reconciled("reconcile: claimed")
    steps.take("prompts", lambda job: _drain(prompts.each(view, job, range(len(job.plan.lines)), 0, [])), jobs)
    for job in jobs:
        work_log.send(0, work.Submitted(job_id=job.job_id, provider_job_id=job.job_id))
    await reconciled("reconcile: submitted")

    def settle(job: Job) -> None:
        told = []
        for line in range(len(job.plan.lines)):
            reply = provider._answer(job.custom_id(line))
            told += outcomes_of(view, job, line, reply, completed_ms=now_ms, response_time_ms=5, prices=prices, metrics=metrics)
        work_log.send(0, work.Outcomes(job_id=job.job_id, outcomes=tuple(told)))

    now_ms = clock.now_ms()
    steps.take("outcomes", settle, jobs)
    await reconciled("reconcile: outcomes")
    outbox.send(settings.work_topic, work.encode(work.RequestsDone(offsets=view.announceable())))
    await reconciled("reconcile: requests done")
    assert _is_done(view)
    return steps.took_us


def _drain(found: Iterable[object]) -> None:
    for _ in found:
        pass


def _is_done(view: PartitionView) -> bool:
    return not (view.state.pending or view.state.jobs or view.retained)


def main() -> None:
    """Measure, and print what each step takes."""
    parser = argparse.ArgumentParser(prog="python -m bench.records", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--size", type=int, default=12, help="comparisons of a round")
    parser.add_argument("--profile", type=Path)
    arguments = parser.parse_args()
    logs.configure("INFO", for_good=True)
    profile = cProfile.Profile() if arguments.profile else None
    with tempfile.TemporaryDirectory() as folder:
        took_us = asyncio.run(measure(Path(folder), arguments.rounds, arguments.size, profile))
    if profile is not None:
        with arguments.profile.open("w") as out:
            pstats.Stats(profile, stream=out).sort_stats("tottime").print_stats(80)
    took_us["all of it"] = sum(took_us.values())
    sys.stdout.write(json.dumps({name: round(took, 1) for name, took in took_us.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
