"""Many streams of audits of a simulated judge at once, in numpy, judged by the bets of `domain.evidence`."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from domain.audited import MEASURES, Measure
from domain.evidence import STARTS, log_bets

Floats = NDArray[np.float64]
Places = NDArray[np.int8]
"""Shape (streams, audits): the place of each audit's value in `Measure.values`."""

_GRID: Floats = np.array([NormalDist(0, math.sqrt(2)).inv_cdf((at + 0.5) / 4_001) for at in range(4_001)])
"""Differences between the qualities of two essays, evenly by their normal distribution."""


def logistic(x: Floats) -> Floats:
    """The logistic function, without overflow."""
    return 0.5 * (1 + np.tanh(x / 2))


def _solve(of: Callable[[float], float], low: float, high: float) -> float:
    """Where a growing function is 0, by halving."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if of(middle) < 0 else (low, middle)
    return (low + high) / 2


@cache
def _logits(retest: float, position: float, shift: float) -> tuple[float, float, float]:
    """How sharp the judge is, and what it adds for the essay shown first, everywhere and in what is delivered."""
    slope = _solve(lambda k: retest - float(np.mean(2 * logistic(k * _GRID) * (1 - logistic(k * _GRID)))), 0.01, 300)
    toward = _solve(lambda g: float(np.mean(logistic(slope * _GRID + g))) - 0.5 - position, -9, 9)
    shifted = _solve(lambda g: float(np.mean(logistic(slope * _GRID + toward + g))) - 0.5 - position - shift, -9, 9)
    return slope, toward, shifted


@dataclass(frozen=True, slots=True)
class StreamJudge:
    """A logistic judge whose two single answers to a random pair differ with chance `retest`, bent by planted means.

    excess, shift, position: what the mean of the measure is to be, as a share (0.05 is 5 points).
    """

    retest: float = 0.10
    excess: float = 0.0
    shift: float = 0.0
    position: float = 0.0

    def audits(self, rng: np.random.Generator, streams: int, audits: int) -> dict[str, Places]:
        """Places of values by measure, for random pairs."""
        slope, toward, shifted = _logits(self.retest, self.position, self.shift)
        shape = (streams, audits)
        apart = rng.normal(size=shape) * math.sqrt(2) * slope
        chance = logistic(apart + toward)
        delivered = rng.random(shape) < (chance if not self.shift else logistic(apart + toward + shifted))
        if self.excess:
            delivered ^= rng.random(shape) < self.excess / (1 - 2 * self.retest)
        singles = (rng.random(shape) < chance).astype(np.int8) + (rng.random(shape) < chance)
        first_shown_wins = rng.random(shape) < logistic(toward - apart)
        # In halves resp. quarters, so that the places are whole numbers: 0, 1, 2 for -0.5, 0, 1 of excess, and so on.
        differ = np.where(delivered, 2 - singles, singles)
        excess = np.where(singles == 1, 0, np.where(differ == 2, 2, 1))
        return {
            "excess": excess.astype(np.int8),
            "shift": (2 * delivered.astype(np.int8) - singles + 2).astype(np.int8),
            "position": (singles + 2 * first_shown_wins).astype(np.int8),
        }


def counts_of(measure: Measure, places: Places) -> NDArray[np.int64]:
    """Counts of each value; shape (streams, values)."""
    return np.stack([(places == at).sum(axis=1) for at in range(len(measure.values))], axis=1)


def _sides(measure: Measure, tolerance: float) -> list[Floats]:
    """The logs of the bets on each side of the hypothesis; each of shape (bets, values)."""
    above = np.array(log_bets(measure.values, tolerance))
    if not measure.two_sided:
        return [above]
    return [above, np.array(log_bets([-value for value in measure.values], tolerance))]


def _mean_of_bets(made: Floats) -> Floats:
    most = made.max(axis=0)
    logs: Floats = most + np.log(np.exp(made - most).mean(axis=0))
    return logs


def first_reached(measure: Measure, places: Places, *, needed: float, tolerance: float = 0.0) -> Floats:
    """The number of audits at which each stream's e-value first reaches `needed`; inf where it never does. Shape (streams,)."""
    bets = _sides(measure, tolerance)

    def logs(some: Places) -> Floats:
        sides = [_mean_of_bets(np.cumsum(side[:, some], axis=2)) for side in bets]
        return sides[0] if len(sides) == 1 else np.logaddexp(*sides) - math.log(2)

    return np.concatenate([_first(logs(some), needed) for some in _in_parts(places)])


def first_certified(measure: Measure, places: Places, *, needed: float, margin: float) -> Floats:
    """The same for the certificate that the mean is within `margin`."""
    ends = [np.array(log_bets([-value for value in measure.values], -margin))]
    if measure.two_sided:
        ends.append(np.array(log_bets(measure.values, -margin)))

    def logs(some: Places) -> Floats:
        made: Floats = np.min([_mean_of_bets(np.cumsum(end[:, some], axis=2)) for end in ends], axis=0)
        return made

    return np.concatenate([_first(logs(some), needed) for some in _in_parts(places)])


def _in_parts(places: Places) -> Iterator[Places]:
    """Some streams at a time: for each audit of them all bets are held in memory."""
    yield from (places[start : start + 200] for start in range(0, len(places), 200))


def _first(logs: Floats, needed: float) -> Floats:
    reached = logs >= math.log(needed)
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, math.inf)


def alarm_logs(measure: Measure, by_day: list[Places], *, tolerance: float = 0.0) -> Floats:
    """The log of the alarm's sum at the end of each day; `by_day` has the audits of each day. Shape (streams, days)."""
    day_logs = [[side[:, places].sum(axis=2) for places in by_day] for side in _sides(measure, tolerance)]
    before = [np.cumsum([np.zeros_like(logs[0]), *logs], axis=0) for logs in day_logs]  # (days + 1, bets, streams)
    sums = []
    for day in range(1, len(by_day) + 1):
        starts = range(max(0, day - STARTS), day)
        since = [np.moveaxis(side[day] - side[starts.start : starts.stop], 1, 0) for side in before]  # (bets, starts, streams)
        values = [_mean_of_bets(each) for each in since]
        of_starts = values[0] if len(values) == 1 else np.logaddexp(*values) - math.log(2)
        sums.append(np.logaddexp.reduce(of_starts, axis=0))
    return np.stack(sums, axis=1)


def false_alarms(streams: int, days: int, a_day: int, *, needed: float, position_tolerance: float, seed: int) -> float:
    """The share of streams of an honest judge in which any of the three measures ever raises the alarm."""
    rng = np.random.default_rng(seed)
    raised = np.zeros(streams, dtype=bool)
    judged = [StreamJudge().audits(rng, streams, a_day) for _ in range(days)]
    for measure in MEASURES:
        tolerance = position_tolerance if measure.name == "position" else 0.0
        logs = alarm_logs(measure, [day[measure.name] for day in judged], tolerance=tolerance)
        raised |= (logs >= math.log(needed)).any(axis=1)
    return float(raised.mean())


def days_to_alarm(
    measure: Measure,
    bent: StreamJudge,
    *,
    streams: int,
    a_day: int,
    needed: float,
    before: int = 60,
    after: int = 45,
    seed: int,
) -> Floats:
    """Days from a change on day `before` until the alarm; inf where it is not raised within `after` days. Shape (streams,).

    A stream that is alarmed before the change counts as found on day 0.
    """
    rng = np.random.default_rng(seed)
    of_days = [
        (StreamJudge(bent.retest) if day < before else bent).audits(rng, streams, a_day)[measure.name]
        for day in range(before + after)
    ]
    reached = alarm_logs(measure, of_days) >= math.log(needed)
    return np.where(reached.any(axis=1), np.maximum(0, reached.argmax(axis=1) - before + 1.0), math.inf)
