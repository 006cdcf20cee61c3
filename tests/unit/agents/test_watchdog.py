"""A loop that hangs ends the process, one that rests or works does not, and a sleep of the machine is no hanging."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from agents.liveness.heartbeats import Heartbeats
from agents.liveness.watchdog import Watchdog
from agents.status.process_gauges import LoopCollector
from tests.waiting import LIMIT_S, until

HUNG_S = 100.0
CHECKOUT = Path(__file__).resolve().parents[3]


class Process:
    """A watchdog with a clock of the test's; `run` lets time pass with a look every second, `sleep` without."""

    def __init__(self, limit_s: float = HUNG_S) -> None:
        self.now = 0.0
        self.heartbeats = Heartbeats(self)
        self.stopped: list[str] = []
        self.watchdog = Watchdog(self.heartbeats, limit_s, self.stop)

    def now_ms(self) -> int:
        return int(self.now * 1000)

    def running_s(self) -> float:
        return self.now

    def stop(self, where: str, error: BaseException) -> None:
        self.stopped.append(f"{where}: {error}")

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.watchdog.look(self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    monkeypatch.setattr("faulthandler.dump_traceback", lambda **_: None)
    return Process()


def test_a_loop_in_the_middle_of_a_turn_that_never_ends(process: Process) -> None:
    process.heartbeats.of("timers").beat()
    process.run(100)
    assert process.stopped == []
    with structlog.testing.capture_logs() as lines:
        process.run(2)
    assert process.stopped[0] == "watchdog: timers: no sign of life for 102 s, at most 100"
    assert (lines[0]["event"], lines[0]["loop"]) == ("loop_hung", "timers")


def test_one_that_beats_and_one_that_rests(process: Process) -> None:
    with process.heartbeats.of("collect").turn():
        pass
    for _ in range(5):
        process.heartbeats.of("timers").beat()
        process.run(90)
    assert process.stopped == []
    assert process.heartbeats.of("collect").silent_s == 0
    with pytest.raises(RuntimeError), process.heartbeats.of("collect").turn():
        raise RuntimeError
    assert process.heartbeats.of("collect").resting


def test_after_a_sleep_of_the_whole_process_silence_counts_from_its_waking(process: Process) -> None:
    process.heartbeats.of("timers").beat()
    process.run(1)
    process.sleep(10_000)
    process.run(99)
    assert process.stopped == []
    with structlog.testing.capture_logs():
        process.run(3)
    assert len(process.stopped) >= 1


def test_what_has_no_turns_is_asked(process: Process) -> None:
    silent = {"job_steps": 0.0}
    process.heartbeats.watch("job_steps", lambda: silent["job_steps"], patience=2.0)
    process.run(10)
    for seconds in (0.0, 150.0, 0.0):
        silent["job_steps"] = seconds
        process.heartbeats.look()
        process.run(1)
    assert process.stopped == []
    process.run(150)
    silent["job_steps"] = 201.0
    process.heartbeats.look()
    assert [beat.silent_s for name, beat in process.heartbeats if name == "job_steps"] == [201.0]
    process.run(40)
    with structlog.testing.capture_logs():
        process.heartbeats.look()
        process.run(1)
    assert process.stopped[0].startswith("watchdog: job_steps: ")


async def test_the_event_loop_beats_while_it_turns(process: Process) -> None:
    task = asyncio.create_task(process.watchdog.run())
    await asyncio.sleep(0)
    process.sleep(7.0)
    registry = CollectorRegistry()
    registry.register(LoopCollector(process.heartbeats))
    assert registry.get_sample_value("roundbatch_loop_silent_seconds", {"loop": "event_loop"}) == 7
    task.cancel()
    await asyncio.wait([task])


async def test_a_thread_notices_an_event_loop_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faulthandler.dump_traceback", lambda **_: None)
    monkeypatch.setattr("agents.liveness.watchdog.LOOK_S", 0.001)
    process = Process(5.0)
    process.heartbeats.of("event_loop").beat()

    def later() -> float:
        process.now += 1.0
        return process.now

    process.watchdog.start(later)
    until(lambda: process.stopped, "the watchdog ends the process")  # nothing in this event loop runs meanwhile
    process.watchdog.stop()
    assert process.stopped[0].startswith("watchdog: event_loop: ")


def test_a_process_whose_event_loop_stands_still_ends_with_70() -> None:
    """The real thread, the real exit, and where every thread stood on stderr."""
    script = """
import asyncio, time
from agents.liveness.heartbeats import Heartbeats
from agents.liveness import watchdog
from streams.clock import SystemClock
watchdog.LOOK_S = 0.02
async def main():
    clock = SystemClock()
    dog = watchdog.Watchdog(Heartbeats(clock), 0.2)
    task = asyncio.create_task(dog.run())
    dog.start(clock.running_s)
    await asyncio.sleep(0.1)
    def stuck():
        time.sleep(3600)
    stuck()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 70, done.stderr
    assert "in stuck" in done.stderr
    assert "loop_hung" in done.stdout + done.stderr
