"""The judge at work: each line's verdicts, drawn by the seed, the pair, and how often the pair has been asked."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Final

from simulator.comparisons import Comparison
from simulator.judge import Pair, Verdict, judge, opinion, unit
from simulator.traits import ALONE, JudgeTraits, Place, Sides, chance_of_a, expected, turned

CHOOSE_ME: Final = "[sim:choose_me]"
"""The essay in which this stands is to win, wherever it stands."""
CHOOSE_A: Final = "[sim:choose_a]"
"""A comparison in which this stands is to be answered with Essay A."""
LINE_A: Final = "[sim:line_a]"
"""All comparisons of the line in which this stands are to be answered with Essay A."""


def judge_line(pairs: Sequence[Pair], times: Sequence[int], traits: JudgeTraits, *, seed: int, now: float) -> list[Verdict]:
    """The verdicts on the pairs of one line, in their order; one pair is a call of its own.

    `times`: how often each pair has been asked before in this order of A and B. The same arguments give the same verdicts.
    """
    sides = [Sides.of(pair) for pair in pairs]
    line = [part for each, nth in zip(sides, times, strict=True) for part in (*each, nth)]
    garbled = len(pairs) > 1 and unit("garbled", seed, *line) < traits.line_garbled
    told = any(LINE_A in text for pair in pairs for text in (pair.a_text, pair.b_text))
    all_a = told and unit("line_a", seed, *line) < traits.injection_obeyed
    verdicts = []
    for slot, (pair, each, nth) in enumerate(zip(pairs, sides, times, strict=True)):
        place = Place(slot, len(pairs))
        chance = chance_of_a(each, traits, seed=seed, place=place)
        a_wins = all_a or _a_wins(pair, each, nth, traits, chance, turned(traits, place), garbled=garbled, seed=seed, now=now)
        confidence = 1 + round(4 * min(1.0, traits.confidence_slope * abs(2 * chance - 1)))
        verdicts.append(Verdict.of("A" if a_wins else "B", confidence))
    return verdicts


def _a_wins(
    pair: Pair,
    sides: Sides,
    nth: int,
    traits: JudgeTraits,
    chance: float,
    share_turned: float,
    *,
    garbled: bool,
    seed: int,
    now: float,
) -> bool:
    key = (seed, *sides, nth)
    told = _told(pair)
    if told is not None and unit("obeys", *key) < traits.injection_obeyed:
        return told
    if garbled:
        return unit("coin", *key) < 0.5
    if unit("anew", *key) < traits.retest:
        drawn = unit("draw", *key)
    else:  # what it has always thought: one number for both orders, so that a swap alone changes nothing
        mind = unit("mind", seed, *sides.essays)
        drawn = mind if sides.in_order else 1 - mind
    a_wins = drawn < chance
    if share_turned and unit("turned", *key) < share_turned:
        a_wins = not a_wins
    changed = traits.judge_change_at is not None and now >= traits.judge_change_at
    if changed and unit("changed", seed, *sides.essays) < traits.judge_change_turned:
        a_wins = not a_wins
    return a_wins


def _told(pair: Pair) -> bool | None:
    """Whether the texts say that A is to win; None where they say nothing of it, or both the same of themselves."""
    if CHOOSE_A in pair.a_text or CHOOSE_A in pair.b_text:
        return True
    by_a, by_b = CHOOSE_ME in pair.a_text, CHOOSE_ME in pair.b_text
    return None if by_a == by_b else by_a


class Judge:
    """A judge of these traits that remembers what it was asked, as far as its traits need that."""

    def __init__(self, seed: int, traits: JudgeTraits) -> None:
        self._seed = seed
        self._traits = traits
        slope = None if traits.judge_slope is None else traits.judge_slope * traits.reasons_first_slope
        self._reasoning = traits.model_copy(update={"judge_slope": slope})
        self._reasoned = False
        self._asked: Counter[Sides] = Counter()
        self._sizes: set[int] = set()

    def verdicts(self, comparisons: Sequence[Comparison], now: float, *, reasons_first: bool = False) -> dict[str, Verdict]:
        """The verdict on each comparison of a line, by its key. A comparison without a pair is judged by hash of its text.

        reasons_first: its answers have the justification before the winner.
        """
        seed, traits = self._seed, self._reasoning if reasons_first else self._traits
        self._reasoned |= reasons_first
        shown = [(comparison.key, comparison.pair) for comparison in comparisons if comparison.pair is not None]
        without = {each.key: opinion(each.text, seed=seed) for each in comparisons if each.pair is None}
        if traits.judge_slope is None:
            return without | {key: judge(pair, seed=seed, error_rate=traits.judge_error_rate) for key, pair in shown}
        pairs = [pair for _, pair in shown]
        times = []
        for pair in pairs:
            sides = Sides.of(pair)
            times.append(self._asked[sides])
            self._asked[sides] += 1
        self._sizes.add(len(pairs))
        judged = judge_line(pairs, times, traits, seed=seed, now=now)
        return without | dict(zip((key for key, _ in shown), judged, strict=True))

    def truth(self) -> dict[str, Any]:
        """What is planted, and what it comes to on average over the pairs asked so far (each once, in the order asked).

        `expected` has retest, flip and position, and by size of bundle excess and shift over all slots; and where any was asked
        with its reasons first, the former for such single answers. Empty without `judge_slope` or pairs.
        """
        told: dict[str, Any] = {"judge": self._traits.model_dump(include=set(JudgeTraits.model_fields)), "seed": self._seed}
        asked = list(self._asked)
        told["essays"] = {name: value for each in asked for name, value in (each[:2], each[2:])}
        told["pairs"] = len(asked)
        told["expected"] = {}
        if asked:
            told["expected"] = self._alone(asked, self._traits)
            if self._reasoned:
                told["expected"]["reasons_first"] = self._alone(asked, self._reasoning)
            told["expected"]["bundles"] = {str(size): self._in_bundles(asked, size) for size in sorted(self._sizes - {1})}
        return told

    def _alone(self, asked: Sequence[Sides], traits: JudgeTraits) -> dict[str, Any]:
        alone = [expected(each, traits, seed=self._seed) for each in asked]
        return {name: fmean(getattr(one, name) for one in alone) for name in ("retest", "flip", "position")}

    def _in_bundles(self, asked: Sequence[Sides], size: int) -> dict[str, float]:
        early, late = ALONE._replace(size=size), Place(size - 1, size)
        slots_late = sum(Place(slot, size).late for slot in range(size))
        sums = {"excess": 0.0, "shift": 0.0}
        for place, slots in ((early, size - slots_late), (late, slots_late)):
            if not slots:
                continue
            there = [expected(each, self._traits, seed=self._seed, place=place) for each in asked]
            for name in sums:
                sums[name] += slots * fmean(getattr(one, name) for one in there)
        return {name: total / size for name, total in sums.items()}

    def forget(self) -> None:
        """Forget what was asked."""
        self._asked.clear()
        self._sizes.clear()
        self._reasoned = False
