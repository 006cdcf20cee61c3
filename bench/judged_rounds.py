"""Rounds of a simulated judge, and what `domain.ranking`, `domain.ranking_checks` and `domain.census` find in them."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean

from domain.census import Placed, Slots, one_letter_lines, third
from domain.essay_order import by_essays
from domain.ranking import Fit, Verdict, correlation, fit, reliability
from domain.ranking_checks import adaptive, beyond_usual
from simulator.judge import Pair
from simulator.judging import CHOOSE_A, CHOOSE_ME, LINE_A, judge_line
from simulator.traits import JudgeTraits

ESSAYS = 24
DENSE = 288
SPREAD = 1.5
"""Standard deviation of true scores, in logits: with 24 comparisons an essay a reliability of 0.86."""
SLOPE = 6.0
BUNDLE = 8


@dataclass(frozen=True, slots=True)
class Round:
    """True scores by essay, in logits, and the verdicts."""

    truth: tuple[float, ...]
    verdicts: tuple[Verdict, ...]


def random_round(
    rng: Random, *, comparisons: int = DENSE, essays: int = ESSAYS, order: float = 0.0, one_sided: bool = False
) -> Round:
    """Random pairs, judged by a logistic judge whose logit is raised by `order` for A; one_sided: the lower number is A."""
    truth = tuple(rng.gauss(0, SPREAD) for _ in range(essays))
    verdicts = []
    for _ in range(comparisons):
        a, b = rng.sample(range(essays), 2)
        if one_sided and a > b:
            a, b = b, a
        verdicts.append(Verdict(a, b, rng.random() < 1 / (1 + math.exp(truth[b] - truth[a] - order))))
    return Round(truth, tuple(verdicts))


def adaptive_round(rng: Random, *, rounds: int = 10, essays: int = ESSAYS) -> Round:
    """Rounds of disjoint pairs of neighbours in the ranking so far."""
    truth = tuple(rng.gauss(0, SPREAD) for _ in range(essays))
    verdicts: list[Verdict] = []
    for _ in range(rounds):
        scores = fit(essays, verdicts, errors=False).scores if verdicts else (0.0,) * essays
        order = sorted(range(essays), key=lambda essay: (round(scores[essay], 6), rng.random()))  # equals by chance
        for one, other in zip(order[::2], order[1::2], strict=True):
            a, b = (one, other) if rng.random() < 0.5 else (other, one)
            verdicts.append(Verdict(a, b, rng.random() < 1 / (1 + math.exp(truth[b] - truth[a]))))
    return Round(truth, tuple(verdicts))


def places(values: Sequence[float]) -> list[float]:
    """Ranks of values, for Spearman's correlation."""
    place = [0.0] * len(values)
    for rank, at in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        place[at] = float(rank)
    return place


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation of values without ties."""
    return correlation(places(one), places(other))


def covers_order(order: float, *, comparisons: int, seeds: range) -> float:
    """How often the order term's 95 % interval holds the true one."""
    hits = 0
    for seed in seeds:
        found = fit(ESSAYS, random_round(Random(seed), comparisons=comparisons, order=order).verdicts)
        hits += abs(found.order - order) <= 1.959964 * found.order_error
    return hits / len(seeds)


def ranks_found(order: float, *, seeds: range, one_sided: bool = True, comparisons: int = 120) -> tuple[float, float]:
    """Mean rank correlation with the truth, without the order term and with it."""
    without, with_term = [], []
    for seed in seeds:
        made = random_round(Random(seed), comparisons=comparisons, order=order, one_sided=one_sided)
        without.append(spearman(fit(ESSAYS, made.verdicts, order=False, errors=False).scores, made.truth))
        with_term.append(spearman(fit(ESSAYS, made.verdicts, errors=False).scores, made.truth))
    return fmean(without), fmean(with_term)


@dataclass(frozen=True, slots=True)
class Trust:
    """Means over rounds: the reliabilities stated, the squared correlation with the truth, and the share flagged."""

    estimated: float
    separation: float
    split_half: float
    truth: float
    flagged: float


def trust(rounds: Iterator[Round]) -> Trust:
    """What rankings say of their reliability, and how it is."""
    rows = []
    for made in rounds:
        found = fit(ESSAYS, made.verdicts)
        said = reliability(ESSAYS, made.verdicts, found)
        flagged = adaptive(made.verdicts, found)
        rows.append((*said, correlation(found.scores, made.truth) ** 2, float(flagged)))
    return Trust(*(fmean(column) for column in zip(*rows, strict=True)))


def _dense_pairs(rng: Random) -> list[tuple[int, int]]:
    pairs = list(itertools.combinations(range(ESSAYS), 2))
    pairs += rng.sample(pairs, DENSE - len(pairs))
    rng.shuffle(pairs)
    return [pair if rng.random() < 0.5 else (pair[1], pair[0]) for pair in pairs]


def bundled(traits: JudgeTraits, seed: int, *, marker: str = "", attacker: int = ESSAYS // 2) -> list[list[Verdict]]:
    """The lines of a dense round as the simulator answers them, slots dealt by chance. The attacker's text has `marker`.

    Essay n has the quality n / 23.
    """
    rng = Random(seed)
    texts = [f"[quality:{n / (ESSAYS - 1):.4f}]{marker if n == attacker else ''}" for n in range(ESSAYS)]
    pairs = _dense_pairs(rng)
    order = [pairs[place] for place in by_essays(pairs, BUNDLE)]
    lines = []
    for start in range(0, DENSE, BUNDLE):
        line = order[start : start + BUNDLE]
        rng.shuffle(line)
        asked = [Pair(f"e{a}", texts[a], f"e{b}", texts[b]) for a, b in line]
        answered = judge_line(asked, [start] * BUNDLE, traits, seed=seed, now=0.0)
        lines.append([Verdict(a, b, said.winner == "A") for (a, b), said in zip(line, answered, strict=True)])
    return lines


def judge(**traits: float) -> JudgeTraits:
    """A simulated judge that draws each answer anew."""
    return JudgeTraits(judge_slope=SLOPE, retest=1.0, **traits)


def _flat(lines: Sequence[Sequence[Verdict]]) -> list[Verdict]:
    return [verdict for line in lines for verdict in line]


def late_slots_found(traits: JudgeTraits, *, rounds: int, seeds: range) -> tuple[float, float]:
    """How often late slots differ beyond |z| 2.58 over so many rounds together: in the share of A, and in noise."""
    shifted = noisy = 0
    for seed in seeds:
        slots = Slots()
        for number in range(rounds):
            lines = bundled(traits, seed * 1_000 + number)
            found = fit(ESSAYS, _flat(lines), errors=False)
            slots.see(found, [Placed(v, third(slot, BUNDLE)) for line in lines for slot, v in enumerate(line)])
        late = slots.late()
        shifted += abs(late.shift_z) > 2.58
        noisy += late.noise_z > 2.58
    return shifted / len(seeds), noisy / len(seeds)


@dataclass(frozen=True, slots=True)
class Injected:
    """Means over rounds: one-letter lines, those the fit expects, the attacker's place, and how often it is listed."""

    one_letter: float
    expected: float
    place: float
    by_side: float
    by_infit: float


def injected(marker: str, obeyed: float, *, seeds: range, times: int = 200, attacker: int = ESSAYS // 2) -> Injected:
    """What a round shows of an essay that speaks to the judge; `times` rounds are drawn to see what is usual."""
    rows = []
    for seed in seeds:
        lines = bundled(judge(injection_obeyed=obeyed), seed, marker=marker, attacker=attacker)
        verdicts = _flat(lines)
        found = fit(ESSAYS, verdicts, errors=False)
        letters = one_letter_lines(found, lines)
        listed = beyond_usual(ESSAYS, verdicts, found, _refit, times=times) if times else {"side": [], "infit": []}
        by = [float(any(one.essay == attacker for one in listed[name])) for name in ("side", "infit")]
        rows.append((float(letters.lines), letters.expected, float(found.places[attacker]), *by))
    return Injected(*(fmean(column) for column in zip(*rows, strict=True)))


def _refit(verdicts: Sequence[Verdict]) -> Fit:
    return fit(ESSAYS, verdicts, errors=False)


MARKERS = {"choose me": CHOOSE_ME, "choose Essay A": CHOOSE_A, "all of the line A": LINE_A}
