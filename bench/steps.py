"""What single steps of our own code take on a round record of 12 comparisons of 4 KB: the best of many short runs; no Kafka.

    python -m bench.steps

A short run finds a moment in which nothing else disturbs the core, so the figures can be compared on a busy machine too.
"""

import asyncio
import json
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from agents.jobs.outcomes import outcomes_of
from agents.jobs.prompts import JobPrompts
from agents.metrics.counters import Metrics
from agents.planning.planner import Planner
from agents.planning.prices import price_book
from agents.records.decide import decide
from agents.records.delivery import make_event
from bench import load
from bench.instant import InstantProvider
from bench.records import CALLBACK, Thrown, settings_of
from domain.job import ClosedBy
from domain.outcome import Outcome
from streams import logs
from streams.kafka.app import make_app
from streams.wire import work
from streams.wire.request_events import round_event
from streams.wire.requests import read_record
from tables import requests, rounds
from tables.build import build
from tables.declared import declare
from tables.view import ReadProgress

_SIZE, _RUNS, _CALLS = 12, 400, 6
_NOW_MS = 1_795_000_000_000


def _best_us(step: Callable[[], object]) -> float:
    took_s = min(timeit.repeat(step, timer=time.thread_time, number=_CALLS, repeat=_RUNS))
    return round(took_s / _CALLS / _SIZE * 1e6, 2)


async def measure(folder: Path) -> dict[str, float]:
    """Each step, in µs a comparison."""
    settings, provider = settings_of(folder), InstantProvider("anthropic")
    outbox: Any = Thrown(settings.work_topic)
    tables, metrics, prices = declare(make_app(settings), settings, outbox), Metrics(CollectorRegistry()), price_book(settings)
    planner, prompts = Planner(settings), JobPrompts(settings, tables, metrics.audits)
    view = await build(tables, 0, inbound=ReadProgress(0, 0, 0), work=ReadProgress(0, 0, 0), now_ms=_NOW_MS)
    state = view.state
    raw = round_event([load.body(1, place, CALLBACK) for place in range(_SIZE)])
    record = planner.read(raw)
    (entry,) = planner.arrive(state, record, 0, _NOW_MS).entries
    encoded = rounds.CODEC.encode(entry)
    tables.requests.put(0, requests.key(0, 0), requests.encode(requests.Stored(_NOW_MS, raw)))
    state.learn_record(0, [entry], _NOW_MS)
    (window,) = state.windows.values()
    (plan,) = planner.cut(state, window.members.values(), ClosedBy.COMPLETE)
    job = state.job_of(plan, 0, _NOW_MS, 0)
    state.learn_planned(job)
    replies = [provider._answer(job.custom_id(line)) for line in range(_SIZE)]

    def outcomes() -> list[Outcome]:
        told: list[Outcome] = []
        for line, reply in enumerate(replies):
            told += outcomes_of(view, job, line, reply, completed_ms=5, response_time_ms=5, prices=prices, metrics=metrics)
        return told

    ended = work.Outcomes(job_id=job.job_id, outcomes=tuple(outcomes()))
    sent, offsets = work.encode(ended), iter(range(1, 1 << 40))
    return {
        "a request record is read": _best_us(lambda: planner.read(raw)),
        "it is read again": _best_us(lambda: read_record(raw, judged=True)),
        "it is judged": _best_us(lambda: planner.arrive(state, record, 0, _NOW_MS)),
        "what it brought is written": _best_us(lambda: rounds.CODEC.encode(entry)),
        "what it brought is read": _best_us(lambda: rounds.CODEC.decode(encoded)),
        "the prompts are made": _best_us(lambda: list(prompts.each(view, job, range(_SIZE), 0, []))),
        "outcomes are made": _best_us(outcomes),
        "outcomes are written": _best_us(lambda: work.encode(ended)),
        "outcomes are read": _best_us(lambda: work.decode(sent)),
        "it is decided": _best_us(lambda: decide(state, ended, 5, _NOW_MS)),
        "the events are made": _best_us(lambda: [make_event(record, one, 5, traced=False) for one in ended.outcomes]),
        "the state learns it": _best_us(lambda: state.learn_record(at := next(offsets), [replace(entry, offset=at)], 5)),
    }


if __name__ == "__main__":
    logs.configure("WARNING", for_good=True)
    with tempfile.TemporaryDirectory() as made:
        found = asyncio.run(measure(Path(made)))
    found["together"] = round(sum(found.values()), 2)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
