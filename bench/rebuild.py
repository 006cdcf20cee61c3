"""What a rebuild of a partition's view costs, by what is pending and by what is done; it needs no Kafka.

    python -m bench.rebuild [--pending 200000] [--done 60000]

Entries of records of 12 comparisons are written to a state directory. Then processes of their own open it:
one measures the processor time, which is the same on a busy machine, another the memory that Python's objects take
(tracemalloc; RocksDB's caches have their own bounds).
"""

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
import uuid
from pathlib import Path
from typing import Any

from agents.planning.planner import Planner
from domain.comparison import Member
from domain.job import ClosedBy, Job, Plan, Policy, Submission, Transport, make_job_id
from domain.outcome import ANSWERED, Ending
from domain.partition.payments import Paid
from domain.rounds import Arrival, RoundEntry, Standing
from settings.settings import Settings
from streams.kafka.app import make_app
from tables import jobs, outcomes, requests, rounds
from tables.build import build
from tables.declared import declare
from tables.store import WHOLE
from tables.view import PartitionView, ReadProgress, Tables

_A_RECORD = 12
_PROMPT_BYTES = 230
_NOW_MS = 1_795_000_000_000
_LOOK_UPS = 2_000  # of the ids of one record each
_NO_ID = "00000000-0000-0000-0000-{:012d}"


class _NoOutbox:
    """Nothing is sent: the changelog is not what is measured."""

    def send(self, *_: Any, **__: Any) -> "asyncio.Future[Any]":
        return asyncio.get_running_loop().create_future()


def _open(folder: Path) -> Tables:
    outbox: Any = _NoOutbox()
    settings = Settings(state_dir=folder, kafka_bootstrap_servers="127.0.0.1:1")
    return declare(make_app(settings), settings, outbox)


def _id(offset: int, position: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{offset}-{position}"))


async def _fill(folder: Path, pending: int, done: int) -> None:
    """The records that are done come first. All entries are written as an earlier version writes them, without rows."""
    tables = _open(folder)
    for offset in range((done + pending) // _A_RECORD):
        at_ms, is_done = _NOW_MS - 3_600_000 + offset, offset < done // _A_RECORD
        places = range(_A_RECORD)
        strategy = "per_round" if is_done else "nightly"
        arrivals = tuple(
            Arrival(
                place,
                _id(offset, place),
                f"{offset * _A_RECORD + place:064x}",
                Standing.ACCEPTED,
                provider="openai",
                model="gpt-6-luna",
                strategy=strategy,
                profile="0123456789abcdef",
                prompt_bytes=_PROMPT_BYTES,
                deadline_ms=_NOW_MS + 86_400_000,
                bundle_hint=_A_RECORD,
                paying_batch=f"bos-{offset // 10}",
            )
            for place in places
        )
        entry = RoundEntry(f"cj:{offset // 10}:{offset % 10}", offset, at_ms, arrivals, parts=1)
        tables.rounds.put(0, rounds.key(0, entry), rounds.CODEC.encode(entry))
        if not is_done:
            raw = bytes(_A_RECORD * (_PROMPT_BYTES + 300))
            tables.requests.put(0, requests.key(0, offset), requests.encode(requests.Stored(at_ms, raw)))
            continue
        members = tuple(Member(offset, place) for place in places)
        job = Job(make_job_id(0, offset * 3, at_ms, 0), offset * 3, at_ms, _plan(entry.round_key, members))
        tables.jobs.put(0, jobs.key(0, job.job_id, "planned"), jobs.PLANNED.encode(job))
        submitted = jobs.SUBMITTED.encode(Submission(offset * 3 + 1, f"batch-{offset}", at_ms))
        tables.jobs.put(0, jobs.key(0, job.job_id, "submitted"), submitted)
        ended = tuple(Ending(member, ANSWERED) for member in members)
        told = outcomes.Endings(offset * 3 + 2, ended, (Paid(f"bos-{offset // 10}", at_ms, 0.01),))
        tables.outcomes.put(0, outcomes.key(0, told.offset), outcomes.CODEC.encode(told))
    for table in tables:
        table._database(0).delete(WHOLE)


def _plan(round_key: str, members: tuple[Member, ...]) -> Plan:
    lines = tuple((member,) for member in members)
    return Plan(
        *("openai", "gpt-6-luna", Transport.BATCH, "batch_api", lines, _NOW_MS + 1, ClosedBy.COMPLETE, round_key, Policy())
    )


async def _built(tables: Tables, records: int) -> PartitionView:
    inbound, work = ReadProgress(records, records, records), ReadProgress(records * 3, records * 3, records * 3)
    return await build(tables, 0, inbound=inbound, work=work, now_ms=_NOW_MS)


async def _measure(folder: Path, records: int, traced: bool) -> dict[str, float]:
    """The first build makes the rows that are missing; the second one is that of every rebalance."""
    tables, took_s = _open(folder), []
    view = None
    for number in range(2):
        view = None
        gc.collect()
        if traced and number:
            tracemalloc.start()
        began = time.thread_time()
        view = await _built(tables, records)
        took_s.append(time.thread_time() - began)
    assert view is not None
    gc.collect()
    found = {"pending": float(len(view.state.pending)), "first_s": took_s[0], "rebuild_s": took_s[1]}
    if traced:
        return {"bytes": float(tracemalloc.get_traced_memory()[0])}
    return found | _nightly_tick(view) | _look_ups(view, records)


def _nightly_tick(view: PartitionView) -> dict[str, float]:
    """What it takes to cut the largest window, which a worker does in turns (agents.windows.closer), and into how many jobs."""
    planner = Planner(Settings(state_dir=Path("unused"), kafka_bootstrap_servers="127.0.0.1:1"))
    window = max(view.state.windows.values(), key=lambda one: len(one.members), default=None)
    if window is None:
        return {}
    began = time.thread_time()
    plans = planner.cut(view.state, window.members.values(), ClosedBy.SCHEDULE)
    return {"tick_of": float(len(window.members)), "tick_s": time.thread_time() - began, "tick_jobs": float(len(plans))}


def _look_ups(view: PartitionView, records: int) -> dict[str, float]:
    asked = [number * 7 % records for number in range(_LOOK_UPS)] if records else []
    known = [[_id(offset, place) for place in range(_A_RECORD)] for offset in asked]
    new = [[_NO_ID.format(offset * _A_RECORD + place) for place in range(_A_RECORD)] for offset in asked]
    took_us = {}
    for name, records_of_ids in (("known_id_us", known), ("new_id_us", new)):
        began = time.thread_time()
        found = sum(len(view.state.history.known(ids, _NOW_MS)) for ids in records_of_ids)
        took_us[name] = (time.thread_time() - began) / max(1, len(asked) * _A_RECORD) * 1e6
        assert found == (len(asked) * _A_RECORD if name == "known_id_us" else 0)
    return took_us


def _of_its_own(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.rebuild", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=7_200)
    said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said


def main(pending: int, done: int) -> None:
    """Measure both kinds, and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        for name, counts in (("pending", (pending, 0)), ("done", (0, done))):
            place, records = str(Path(folder) / name), str(sum(counts) // _A_RECORD)
            _of_its_own("--fill", place, "--pending", str(counts[0]), "--done", str(counts[1]))
            figures = _of_its_own("--open", place, "--records", records)
            traced = _of_its_own("--open", place, "--records", records, "--traced")
            figures["bytes_each"] = traced["bytes"] / sum(counts)
            sys.stdout.write(f"{sum(counts):,} {name}: {json.dumps({key: round(one, 3) for key, one in figures.items()})}\n")
            sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.rebuild", description=__doc__.partition("\n")[0])
    parser.add_argument("--pending", type=int, default=200_000)
    parser.add_argument("--done", type=int, default=60_000)
    for inner in ("--fill", "--open"):
        parser.add_argument(inner, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--records", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--traced", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _inner(arguments: argparse.Namespace) -> None:
    if arguments.fill:
        asyncio.run(_fill(arguments.fill, arguments.pending, arguments.done))
        found: dict[str, float] = {}
    else:
        found = asyncio.run(_measure(arguments.open, arguments.records, arguments.traced))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    given = _arguments()
    if given.fill or given.open:
        _inner(given)
    else:
        main(given.pending, given.done)
