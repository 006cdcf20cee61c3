"""A recovery that has come to a halt ends the process; one that moves does not."""

from types import SimpleNamespace
from typing import Any

import pytest

from agents.liveness.recovery_watch import HALT_S, RecoveryWatch
from streams import failstop


class Stopped(Exception):
    """Stands for the end of the process."""


class Clock:
    """Stands until a test moves it."""

    now_s = 0.0

    def running_s(self) -> float:
        """Its second."""
        return self.now_s

    def now_ms(self) -> int:
        """The same in ms."""
        return int(self.now_s * 1000)


class Watched:
    """A watch, its clock, and what the tables have recovered."""

    def __init__(self, app: Any, offsets: dict[str, int]) -> None:
        self.clock, self.offsets = Clock(), offsets
        self.watch = RecoveryWatch(app, self.clock)

    def unsettled(self, at_s: float) -> None:
        """The tables are not recovered at this second."""
        self.clock.now_s = at_s
        self.watch.unsettled()

    def began(self, at_s: float) -> None:
        """The views are dropped at this second."""
        self.clock.now_s = at_s
        self.watch.began()

    def ended(self, at_s: float) -> float | None:
        """All have caught up at this second."""
        self.clock.now_s = at_s
        return self.watch.ended()


def watch(monkeypatch: pytest.MonkeyPatch, assigned: bool = True) -> tuple[Watched, dict[str, int]]:
    def stop(where: str, error: BaseException) -> None:
        raise Stopped from error

    monkeypatch.setattr(failstop, "stop", stop)
    offsets = {"changelog": 1}
    app: Any = SimpleNamespace(
        rebalancing=False,
        should_stop=False,
        rebalancing_count=1,
        consumer=SimpleNamespace(assignment=lambda: {"p"} if assigned else set()),
        tables=SimpleNamespace(recovery=SimpleNamespace(active_offsets=offsets)),
    )
    return Watched(app, offsets), offsets


def test_a_halt_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    of, _ = watch(monkeypatch)
    of.unsettled(0.0)
    of.unsettled(HALT_S)
    with pytest.raises(Stopped):
        of.unsettled(HALT_S + 1)


def test_progress_and_rest_begin_the_wait_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    of, offsets = watch(monkeypatch)
    of.unsettled(0.0)
    offsets["changelog"] = 2
    of.unsettled(HALT_S + 1)
    of.unsettled(2 * HALT_S)
    of.watch.settled()
    of.unsettled(3 * HALT_S)
    with pytest.raises(Stopped):
        of.unsettled(4 * HALT_S + 1)


def test_without_partitions_there_is_nothing_to_recover(monkeypatch: pytest.MonkeyPatch) -> None:
    of, _ = watch(monkeypatch, assigned=False)
    for at_s in (0.0, 2 * HALT_S, 4 * HALT_S):
        of.unsettled(at_s)
    assert of.watch._progress is not None


def test_a_recovery_is_measured_from_its_first_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    of, _ = watch(monkeypatch)
    assert of.ended(3.0) == 3.0  # the first one began with the process
    assert of.ended(9.0) is None
    of.unsettled(10.0)
    of.began(11.0)
    assert of.ended(12.5) == 2.5
