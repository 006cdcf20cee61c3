"""A start can be ended at each of its steps, says where it stood, and does not take for ever."""

import asyncio
import itertools
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.starting import Starting, StartTooLong
from tests.harness.worker import WorkerProcess
from tests.waiting import until


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a Kafka that lets clients connect, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def worker_at(servers: str, folder: Path, **more: str) -> WorkerProcess:
    env = {"KAFKA_BOOTSTRAP_SERVERS": servers, "ROUNDBATCH_STATE_DIR": str(folder / "state"), **more}
    return WorkerProcess(env, folder / "worker.log")


def wait_for(worker: WorkerProcess, word: str) -> None:
    def said() -> bool:
        assert worker.process.poll() is None, worker.tail()
        return word in worker.log_path.read_text()

    until(said, f"the worker says {word}", worker.tail)


def test_sigterm_ends_a_start_that_waits_for_kafka(silent: str, tmp_path: Path) -> None:
    worker = worker_at(silent, tmp_path)
    try:
        wait_for(worker, f"connect to Kafka at {silent}")
        worker.process.send_signal(signal.SIGTERM)
        assert worker.wait_exit() == 0
    finally:
        worker.close()
    assert "start_given_up" in worker.tail()


def test_a_start_that_takes_too_long_ends_and_names_its_step(silent: str, tmp_path: Path) -> None:
    worker = worker_at(silent, tmp_path, ROUNDBATCH_START_TIMEOUT_S="0.5")
    try:
        assert worker.wait_exit() == 69
    finally:
        worker.close()
    last = worker.tail().splitlines()[-1]
    assert last.startswith("the start took more than ROUNDBATCH_START_TIMEOUT_S=0.5 seconds"), worker.tail()
    assert last.endswith(f"connect to Kafka at {silent}")


async def test_a_start_at_any_step_ends_when_asked_to_and_when_its_time_is_up() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    assert not await Starting(0).run(asyncio.sleep(3600), stop)
    starting = Starting(0.01)
    starting.at("join the group")
    with pytest.raises(StartTooLong, match="join the group"):
        await starting.run(asyncio.sleep(3600), asyncio.Event())


async def test_a_start_that_restores_tables_takes_as_long_as_they_come_nearer_to_their_end() -> None:
    """The state directory was gone, and 300,000 changelog records took longer than the limit: every start ended with 69."""
    offsets, restored = itertools.count(), asyncio.Event()

    def progress() -> int:
        offset = next(offsets)
        if offset >= 5:
            restored.set()
        return min(offset, 7)

    async def start() -> None:
        await restored.wait()

    starting = Starting(0.01)
    starting.at("restore the tables", progress)
    assert await starting.run(start(), asyncio.Event())
    with pytest.raises(StartTooLong):  # no nearer any more
        await starting.run(asyncio.sleep(3600), asyncio.Event())


async def test_what_a_start_raises_comes_through_and_its_end_leaves_no_step() -> None:
    async def refused() -> None:
        raise LookupError("no")

    with pytest.raises(LookupError):
        await Starting(5).run(refused(), asyncio.Event())
    starting = Starting(5)
    starting.at("one")
    assert await starting.run(asyncio.sleep(0), asyncio.Event())
    assert starting.step is None
