"""What is done to the processes of a run and when: drawn from a seed, so that a run can be made again."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Deed(StrEnum):
    """What is done. `A_MINUTE` says how often, LASTS_S for how long."""

    KILL = "kill"  # SIGKILL to a worker, which is started again on its state directory
    WIPE = "wipe"  # the same, and the state directory is deleted
    FREEZE = "freeze"  # SIGSTOP to a worker for longer than its session, then SIGCONT
    TWIN = "twin"  # the same, and meanwhile another process is started under the worker's name in the group
    TERM = "term"  # SIGTERM to a worker, which is started again
    JOIN = "join"  # one more worker, which leaves (SIGTERM) after a while
    LEAVE = "leave"  # SIGTERM to a worker, which stays away for a while
    BROKER_KILL = "broker_kill"  # SIGKILL to a broker, which is started again after a while
    DISK_FULL = "disk_full"  # no file that a worker writes may grow any more
    CLOCK_JUMP = "clock_jump"  # a worker's wall clock jumps, and stays where it is until the next jump
    SLOW = "slow"  # what goes through a network is delayed
    STALL = "stall"  # nothing goes through a network
    CUT = "cut"  # the connections of a network are reset, and new ones refused
    GATEWAY_KILL = "gateway_kill"  # SIGKILL to a gateway, which is started again
    PROVIDER_CLOCK = "provider_clock"  # the times that a provider shows are off
    HOLD = "hold"  # the batches that run are held by their provider
    CANCEL = "cancel"  # a batch of CJ's is cancelled, as `roundbatch cancel` does it
    LIMIT = "limit"  # bundles of a model are limited, or no more, or its alarm acknowledged: `roundbatch quality`


A_MINUTE: dict[Deed, float] = {
    Deed.KILL: 4.5,
    Deed.WIPE: 2.0,
    Deed.FREEZE: 0.8,
    Deed.TWIN: 0.3,
    Deed.TERM: 0.6,
    Deed.JOIN: 0.4,
    Deed.LEAVE: 0.4,
    Deed.BROKER_KILL: 0.6,
    Deed.DISK_FULL: 0.4,
    Deed.CLOCK_JUMP: 1.0,
    Deed.SLOW: 0.6,
    Deed.STALL: 0.4,
    Deed.CUT: 0.5,
    Deed.GATEWAY_KILL: 1.0,
    Deed.PROVIDER_CLOCK: 0.3,
    Deed.HOLD: 0.7,
    Deed.CANCEL: 3.0,
    Deed.LIMIT: 2.0,
}
LASTS_S: dict[Deed, tuple[float, float]] = {
    Deed.FREEZE: (1.0, 8.0),  # beyond the session
    Deed.TWIN: (1.0, 8.0),
    Deed.JOIN: (15.0, 40.0),
    Deed.LEAVE: (5.0, 20.0),
    Deed.BROKER_KILL: (0.0, 6.0),
    Deed.DISK_FULL: (3.0, 10.0),
    Deed.SLOW: (5.0, 20.0),
    Deed.STALL: (2.0, 12.0),
    Deed.CUT: (0.0, 6.0),
    Deed.HOLD: (10.0, 80.0),
}
CRASH_POINT = "crash_point"  # a deed that is not drawn: a worker does it to itself
QUIET_S = 4.0  # nothing happens so close to a run's beginning and end


@dataclass(frozen=True, slots=True, order=True)
class Strike:
    """One deed at a moment of the run, in seconds from its begin."""

    at_s: float
    deed: Deed
    which: float  # from 0 to 1: which worker, broker or network it strikes
    much: float  # from -1 to 1: how much, of what has a size (a clock's jump, a delay)
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.at_s:7.1f} s  {self.deed:<14} which {self.which:.2f}  much {self.much:+.2f}  lasts {self.lasts_s:.1f} s"


def drawn(seed: int, minutes: float) -> list[Strike]:
    """All that happens in a run of so many minutes, in order; each deed at least once."""
    strikes = []
    for deed in Deed:
        chance = random.Random(f"{seed} {deed}")
        low_s, high_s = LASTS_S.get(deed, (0.0, 0.0))
        for _ in range(max(1, round(A_MINUTE[deed] * minutes))):
            at_s = chance.uniform(QUIET_S, max(QUIET_S, minutes * 60 - QUIET_S))
            strikes.append(Strike(at_s, deed, chance.random(), chance.uniform(-1, 1), chance.uniform(low_s, high_s)))
    return sorted(strikes)


class Armings:
    """At which crash point each started worker is to be killed, and at which passage of it.

    A point that has killed least often comes next; so each comes to its five kills, the rarely passed ones too.
    """

    ARMED = 0.7  # of the workers that are started
    FEW = 5

    def __init__(self, seed: int, points: Iterable[str], armed: float = ARMED) -> None:
        self._armed = armed
        self._chance = random.Random(f"{seed} points")
        self._points = sorted(points)
        self.struck: Counter[str] = Counter(dict.fromkeys(self._points, 0))
        self._given: Counter[str] = Counter()

    def next(self, under_way: Iterable[str] = ()) -> str:
        """What ROUNDBATCH_CRASH_AT is to be, "" for nothing. `under_way`: the points that running workers are armed with."""
        if self._chance.random() > self._armed:
            return ""
        busy = Counter(under_way)
        # One that is seldom passed is armed in vain for most workers: three times count as a kill, or no other had its turn.
        turn = {name: self.struck[name] + busy[name] + (self._given[name] - self.struck[name]) / 3 for name in self._points}
        point = min(self._points, key=lambda name: (turn[name], self._chance.random()))
        self._given[point] += 1
        # The first passage is often one of a record that is read again; the passages after it are those of new work.
        nth = self._chance.choice((1, 1, 2, 3, 7)) if self._given[point] <= self.FEW else self._chance.choice((1, 2))
        return point if nth == 1 else f"{point}:{nth}"
