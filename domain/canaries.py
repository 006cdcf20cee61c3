"""Canaries: pairs of one's own that are asked again and again, to see within days that a model judges otherwise than it did.

Each pair was asked nine times once (`FROZEN`). Those whose nine answers are all alike are *steady*, and are asked again: a
judge that is the same seldom differs from them. The others are too noisy to tell anything soon.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

from domain.audited import Measure
from domain.evidence import alarm_threshold, log_alarm
from domain.intervals import Interval, wilson

FROZEN: Final = 9
A_DAY: Final = 24
TOLERANCE: Final = 0.02
"""By how much more often than by noise answers may differ: nine answers a pair tell the noise only so well."""


def frozen_a(answers: str) -> int:
    """How many of a pair's frozen answers, as `AABAAAAAA`, are A. Errors: ValueError where they are not nine of A and B."""
    if len(answers) != FROZEN or set(answers) - {"A", "B"}:
        raise ValueError(f"{answers!r} must be {FROZEN} letters, A or B")
    return answers.count("A")


def steady(frozen: Mapping[str, str]) -> dict[str, str]:
    """Pair → the letter of all of its nine answers, for the pairs that have one."""
    return {pair: answers[0] for pair, answers in frozen.items() if frozen_a(answers) in (0, FROZEN)}


def noise(frozen: Mapping[str, str]) -> float:
    """How often an answer of the same judge differs from a steady pair's letter, as the frozen answers show.

    Of the pairs of which eight answers are alike, how often is the ninth another? Each answer is the ninth once. For steady
    pairs, of which nine are alike, it is rather less. Without any such pair it is 0.
    """
    kinds = Counter(min(frozen_a(answers), FROZEN - frozen_a(answers)) for answers in frozen.values())
    alike = FROZEN * kinds[0] + kinds[1]
    return kinds[1] / alike if alike else 0.0


DRIFT: Final = Measure("drift", (0.0, 1.0), two_sided=False)
"""1 where an answer is not its steady pair's letter."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What the rounds since the freezing show. steady: pairs that are asked. changed: those of the last round that differ.

    differ: the share of answers that do; noise: that of an unchanged judge, at most.
    """

    steady: int
    answers: int
    rounds: int
    differ: Interval
    noise: float
    log10: float
    threshold_log10: float
    changed: tuple[str, ...]

    @property
    def sounds(self) -> bool:
        """Whether the model judges otherwise."""
        return self.log10 >= self.threshold_log10


def due(pairs: Sequence[str], rounds: int) -> list[str]:
    """The pairs to be asked in the next round after so many: in turn, `A_DAY` of them, each at most once."""
    begin = rounds * A_DAY
    return [pairs[(begin + place) % len(pairs)] for place in range(min(A_DAY, len(pairs)))]


def drift(frozen: Mapping[str, str], rounds: Iterable[Mapping[str, str]], *, false_alarms: float = 0.01) -> Drift:
    """What rounds of answers (pair → A or B), oldest first, show of a judge whose frozen answers these are."""
    letters, usual = steady(frozen), noise(frozen)
    days: list[Counter[float]] = []
    last: Mapping[str, str] = {}
    for answers in rounds:
        last = answers
        days.append(Counter(float(said != letters[pair]) for pair, said in answers.items()))
    differ, answered = int(sum(day[1.0] for day in days)), sum(day.total() for day in days)
    return Drift(
        len(letters),
        answered,
        len(days),
        wilson(differ, answered),
        usual,
        log_alarm(DRIFT, days, tolerance=usual + TOLERANCE) / log(10),
        log(alarm_threshold(models=1, tests=1, false_alarms=false_alarms)) / log(10),
        tuple(pair for pair, said in last.items() if said != letters[pair]),
    )
