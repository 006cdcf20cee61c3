"""`pytest --processes 4`: tests are collected once, by a process of which each of the four is a fork.

Processes that each import and collect everything, as those of pytest-xdist do, take 9 s of a core each for it before the first
test begins, and 20 s in a clone whose tests were never compiled. A fork takes none.
"""

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby, pairwise
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest

from tests.harness.running_order import scope_of

_FORK = multiprocessing.get_context("fork")
_NUMBER = 4  # bytes
Scopes = Sequence[Sequence[pytest.Item]]


class _Teller:
    """Tells the process of which this one is a fork what has become of each test."""

    def __init__(self, config: pytest.Config, told: Connection) -> None:
        self._config, self._told = config, told

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._told.send(("pytest_runtest_logstart", {"nodeid": nodeid, "location": location}))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._told.send(("pytest_runtest_logreport", data))

    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._told.send(("pytest_runtest_logfinish", {"nodeid": nodeid, "location": location}))


class _Process:
    """One of the processes; `runs` is the test that it is in."""

    def __init__(self, session: pytest.Session, scopes: Scopes, queue: int, begin: Callable[[], None]) -> None:
        self.told, telling = _FORK.Pipe(duplex=False)
        self.runs = ""
        self.process = _FORK.Process(target=_run, args=(session, scopes, queue, begin, telling))
        self.process.start()
        telling.close()


def run(session: pytest.Session, count: int, begin: Callable[[], None]) -> None:
    """Run the tests of a session in so many processes; each takes the next scope when it has done with one.

    `begin` is called in each of them before its first test.
    """
    scopes = [list(of) for _, of in groupby(session.items, key=lambda item: scope_of(item.nodeid))]
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one for all of them
    queue, filling = os.pipe()
    os.write(filling, b"".join(number.to_bytes(_NUMBER) for number in range(len(scopes))))
    os.close(filling)
    processes = [_Process(session, scopes, queue, begin) for _ in range(min(count, len(scopes)))]
    os.close(queue)
    left = {item.nodeid for item in session.items}
    try:
        _listen(session, processes, left)
    except BaseException:
        for one in processes:
            if one.process.is_alive():
                os.kill(one.process.pid, signal.SIGINT)  # type: ignore[arg-type]  # it was started, so it has one
        raise
    finally:
        for one in processes:
            one.process.join()
    if left:
        session.shouldfail = (
            f"{len(left)} tests were not run, for the process that had them has ended: {', '.join(sorted(left)[:5])}"
        )
        raise session.Failed(session.shouldfail)


def _listen(session: pytest.Session, processes: Sequence[_Process], left: set[str]) -> None:
    """Pass on what the processes tell, until all have ended."""
    of = {one.told: one for one in processes}
    while of:
        for told in wait(list(of)):
            assert isinstance(told, Connection)
            try:
                name, data = told.recv()
            except EOFError:
                _ended(session, of.pop(told), left)
                continue
            if name == "failed":
                session.shouldfail = f"at the end of one of the processes:\n{data}"
            else:
                _pass_on(session, of[told], name, data)
            if name == "pytest_runtest_logfinish":
                left.discard(data["nodeid"])
            elif name != "failed":
                continue  # until the fixtures of the test are ended
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)


def _pass_on(session: pytest.Session, one: _Process, name: str, data: dict[str, Any]) -> None:
    config = session.config
    if name == "pytest_runtest_logreport":
        report = config.hook.pytest_report_from_serializable(config=config, data=data)
        config.hook.pytest_runtest_logreport(report=report)
        return
    one.runs = data["nodeid"] if name == "pytest_runtest_logstart" else ""
    getattr(config.hook, name)(**data)


def _ended(session: pytest.Session, one: _Process, left: set[str]) -> None:
    """A process has ended: where it was in a test, that has failed."""
    one.process.join()
    if one.runs:
        left.discard(one.runs)
        location = next(item.location for item in session.items if item.nodeid == one.runs)
        words = f"the process that ran this test has ended with {one.process.exitcode}"
        report = pytest.TestReport(one.runs, location, {}, "failed", words, "call")
        session.config.hook.pytest_runtest_logreport(report=report)


def _run(session: pytest.Session, scopes: Scopes, queue: int, begin: Callable[[], None], telling: Connection) -> None:
    """What a process does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the run is a shell's job in the background
    config = session.config
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(_Teller(config, telling))
    capture = plugins.getplugin("capturemanager")
    assert capture is not None
    capture.stop_global_capturing()  # into files that it would share with the others
    capture.start_global_capturing()
    begin()
    try:
        with suppress(KeyboardInterrupt):
            for number in _numbers(queue):
                # Behind a scope the session alone goes on: which scope is next is not decided before.
                for item, following in pairwise([*scopes[number], session]):
                    config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        session._setupstate.teardown_exact(None)
    except BaseException:
        telling.send(("failed", traceback.format_exc()))
        raise
    finally:
        telling.close()


def _numbers(queue: int) -> Iterator[int]:
    """The scopes that this process gets, one by one, until none is left."""
    while number := os.read(queue, _NUMBER):
        yield int.from_bytes(number)
