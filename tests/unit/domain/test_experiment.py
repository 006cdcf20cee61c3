"""An experiment's design is fair to every way of asking, and what it finds in planted judges is what was planted."""

import itertools
import math
import random
from collections import Counter
from functools import cache

import pytest

from domain.census import third
from domain.evidence import Finding
from domain.experiment import Line, Series, Verdict, Way, largest, lines, pilot, ways
from domain.experiment_findings import Arm, Found, Seen, find, pairs_for, reach

ESSAYS = list(itertools.combinations(range(24), 2))
ALONE, OF_8 = Way(), Way(8)
BATCHED, OF_8_BATCHED = Way(batch=True), Way(8, batch=True)


def test_all_ways_are_compared_with_single_answers() -> None:
    both = ways((4, 8), ("verbatim", "shared_essays"), calls=True, batches=True, reasons_first=True)
    assert both[:3] == [ALONE, BATCHED, Way(reasons_first=True)]
    assert both[3:7] == [Way(4, "verbatim"), Way(8, "verbatim"), Way(4, "shared_essays"), Way(8, "shared_essays")]
    assert both[7:] == [way._replace(batch=True) for way in both[3:7]]
    assert ways((8,), ("auto",), calls=False, batches=True, reasons_first=False) == [BATCHED, OF_8_BATCHED]
    assert [way.words for way in (ALONE, both[2], both[-1])] == [
        "single answers",
        "single answers (reasons first)",
        "bundles of 8 (shared_essays) in batch jobs",
    ]
    assert (largest(both), pilot(both), pilot([ALONE, Way(32)]), pilot([ALONE, Way(64)])) == (8, 96, 96, 128)


def test_each_way_asks_each_pair_twice_in_an_order_of_its_own() -> None:
    made = lines(ESSAYS, (ALONE, Way(4), OF_8), seed=1)
    series = [Series(way, nth) for way in (ALONE, Way(4), OF_8) for nth in (0, 1)]
    for one in (*series, Series(ALONE, swapped=True)):
        asked = [pair for line in made if line.series == one for pair in line.pairs]
        assert sorted(asked) == list(range(len(ESSAYS)))
    assert {line.series for line in made} == {*series, Series(ALONE, swapped=True)}
    assert {len(line.pairs) for line in made if line.series.way == OF_8} <= {8, len(ESSAYS) % 8}
    assert made == lines(ESSAYS, (ALONE, Way(4), OF_8), seed=1) != lines(ESSAYS, (ALONE, Way(4), OF_8), seed=2)
    # None is asked earlier than another: the means of their places are near the middle.
    for one in (Series(ALONE, 0), Series(ALONE, swapped=True)):
        places = [at for at, line in enumerate(made) if line.series == one]
        assert sum(places) / len(places) == pytest.approx(len(made) / 2, rel=0.1)


def dealt(made: list[Line], way: Way) -> list[list[tuple[int, ...]]]:
    return [sorted((line.pairs for line in made if line.series == Series(way, nth)), key=min) for nth in (0, 1)]


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 16, 32, 64])
def test_a_pair_is_in_two_slots_of_the_same_bundle_and_in_two_thirds_of_it(size: int) -> None:
    made = lines(ESSAYS[:64], (ALONE, Way(size)), seed=3)
    for first, second in zip(*dealt(made, Way(size)), strict=True):
        assert sorted(first) == sorted(second)
        for pair in first if len(first) > 1 else ():
            one, other = first.index(pair), second.index(pair)
            assert one != other
            if len(first) >= 4:
                assert third(one, len(first)) != third(other, len(first))


def test_ways_of_one_size_have_the_same_bundles_with_the_same_slots() -> None:
    made = lines(ESSAYS, (ALONE, Way(8, "verbatim"), Way(8, "shared_essays"), OF_8_BATCHED), seed=3)
    assert dealt(made, Way(8, "verbatim")) == dealt(made, Way(8, "shared_essays")) == dealt(made, OF_8_BATCHED)


def test_slots_are_dealt_by_chance() -> None:
    slots = Counter[tuple[int, int]]()
    for seed in range(60):
        for line in lines(ESSAYS[:64], (ALONE, OF_8), seed=seed):
            if line.series == Series(OF_8, 0):
                slots.update((pair, slot) for slot, pair in enumerate(line.pairs))
    assert min(slots[pair, slot] for pair in range(64) for slot in range(8)) >= 1
    assert max(slots.values()) <= 20  # 7.5 on average


def seen(
    seed: int,
    asked: tuple[Way, ...] = (ALONE, OF_8),
    *,
    shift: float = 0.0,
    late: float = 0.0,
    turned: float = 0.0,
    garbled: float = 0.0,
    order: float = 0.0,
    batch: float = 0.0,
    essay: float = 0.0,
    pairs: int = 276,
) -> Seen:
    """Answers of a judge whose bundles are bent; `batch`: by so much in batch jobs; `essay`: by its A's own liking of that."""
    rng = random.Random(seed)
    truth = [rng.gauss(0, 3) for _ in range(24)]
    own = [rng.gauss(0, essay) for _ in range(24)]
    found: dict[Series, dict[int, Verdict]] = {}
    for line in lines(ESSAYS[:pairs], asked, seed=seed):
        way = line.series.way
        is_garbled = way.size > 1 and rng.random() < garbled
        for slot, pair in enumerate(line.pairs):
            a, b = ESSAYS[pair]
            logit = truth[a] - truth[b] + (-order if line.series.swapped else order) + batch * way.batch
            if way.size > 1:
                logit += shift + own[a] + own[b] + late * (third(slot, len(line.pairs)) == 2)
            chance = 1 / (1 + math.exp(-logit))
            a_won = (rng.random() < chance) != (way.size > 1 and rng.random() < turned)
            if is_garbled:
                a_won = rng.random() < 0.5
            sure = 1 + round(4 * abs(2 * chance - 1))
            verdict = Verdict(a_won, sure, third(slot, len(line.pairs)), min(line.pairs))
            found.setdefault(line.series, {})[pair] = verdict
    return Seen(asked, ESSAYS, found, {series: len(of) for series, of in found.items()})


@cache
def all_found(margin: float = 0.08, seed: int = 3, **planted: float) -> Found:
    return find(seen(seed, **planted), margin=margin)  # type: ignore[arg-type]


def found(**planted: float) -> Arm:
    (arm,) = all_found(**planted).arms
    return arm


def test_an_honest_judge_is_shown_fine_with_enough_pairs_and_not_known_with_few() -> None:
    honest = found()
    assert (honest.finding, honest.pairs, honest.audits, honest.missing) == (Finding.FINE, 276, 552, 0)
    assert honest.lines == 35
    few = found(pairs=40)
    assert few.finding is Finding.NOT_KNOWN
    assert few.wanted > 2 * few.pairs
    (nothing,) = find(Seen((ALONE, OF_8), [], {}, {}), margin=0.08).arms
    assert (nothing.finding, nothing.pairs, nothing.excess[1:]) == (Finding.NOT_KNOWN, 0, (-0.5, 1.0))
    assert nothing.wanted == 0


def test_a_bent_judge_is_told_by_how_much_and_towards_what() -> None:
    shifted, other = found(shift=1.5), found(shift=-1.5)
    assert shifted.finding is other.finding is Finding.BENT
    assert shifted.shift.low > 0.05
    assert other.shift.high < -0.05
    noisy = found(turned=0.25)
    assert noisy.finding is Finding.BENT
    assert noisy.excess.low > 0.05
    assert noisy.retest.estimate > found().retest.estimate + 0.1


def test_lines_that_fail_as_a_whole_widen_the_interval() -> None:
    def mean(**planted: float) -> tuple[float, float]:
        """Estimate, and width of the interval, over 12 judges."""
        arms = [found(seed=seed, **planted).excess for seed in range(12)]
        return sum(one.estimate for one in arms) / 12, sum(one.high - one.low for one in arms) / 12

    garbled, turned = mean(garbled=0.5), mean(turned=0.25)  # both turn a quarter of all verdicts
    assert garbled[0] == pytest.approx(turned[0], abs=0.03)
    assert garbled[1] > 1.2 * turned[1]


def test_what_is_known_is_as_precise_as_the_widest_interval_of_any_arm() -> None:
    one = found()
    assert all_found().widest == max(reach(one.excess), reach(one.shift))
    without = find(Seen((ALONE, OF_8, Way(4)), ESSAYS, seen(3).answers, {}), margin=0.08)
    assert without.widest == 1.0  # nothing of bundles of 4: the whole range of the shift


def test_single_answers_tell_noise_from_bias() -> None:
    (honest,), (ordered,) = all_found().singles, all_found(order=1.5).singles
    assert honest.position.low < 0 < honest.position.high
    assert ordered.position.low > 0.02
    assert honest.flips.estimate == pytest.approx(honest.retest.estimate, abs=0.06)
    assert ordered.flips.estimate > ordered.retest.estimate + 0.05
    assert honest.kappa == pytest.approx(1 - 2 * honest.retest.estimate, abs=0.05)  # A wins about half of the time
    assert find(Seen((ALONE, OF_8), [], {}, {}), margin=0.08).singles[0].pairs == 0


def test_pairs_without_all_answers_are_left_out_and_counted() -> None:
    given = seen(3)
    first, second = (given.answers[Series(OF_8, nth)] for nth in (0, 1))
    del first[0], second[0], second[3]  # type: ignore[attr-defined]
    del given.answers[Series(ALONE, swapped=True)][1], given.answers[Series(ALONE, 1)][2]  # type: ignore[attr-defined]
    (one,) = find(given, margin=0.08).arms
    assert (one.pairs, one.audits, one.missing) == (273, 545, 3)


def test_how_often_intervals_cover_where_lines_fail() -> None:
    """The truth is 0.15 * (0.5 - agreement) or so; here it is taken from many runs."""
    runs = [found(seed=seed, garbled=0.15, pairs=160).excess for seed in range(60)]
    truth = sum(run.estimate for run in runs) / len(runs)
    assert sum(run.low <= truth <= run.high for run in runs) / len(runs) == pytest.approx(0.95, abs=0.06)


def test_what_slots_do_is_seen_by_the_same_pair_in_two_of_them() -> None:
    late = found(late=1.5).slots
    assert late is not None
    assert late.late.low > 0.03
    assert late.differ
    assert late.late_pairs == pytest.approx(276 / 2, rel=0.1)  # of 8 slots the last two, in either of two deals
    assert late.shift[2].estimate > max(late.shift[0].estimate, late.shift[1].estimate) + 0.03
    honest = found().slots
    assert honest is not None
    assert honest.late.low < 0 < honest.late.high
    assert not honest.differ
    # The same pair in both slots tells more than different pairs do.
    assert reach(honest.late) < reach(honest.shift[2]) + reach(honest.shift[0])


def test_batch_jobs_are_held_against_calls_pair_by_pair() -> None:
    asked = (ALONE, BATCHED, OF_8, OF_8_BATCHED)
    alone, of_8 = find(seen(4, asked, batch=1.5), margin=0.08).contrasts
    assert (alone.batch, of_8.batch) == (BATCHED, OF_8_BATCHED)
    assert alone.pairs == of_8.pairs == 276
    assert alone.shift.low > 0.03 < of_8.shift.low
    assert alone.differ
    assert of_8.differ
    honest = find(seen(4, asked), margin=0.08).contrasts
    assert not any(one.differ for one in honest)
    # A bundle's own effect is in both, and so in neither.
    bent = find(seen(4, asked, shift=1.5), margin=0.08).contrasts
    assert not any(one.differ for one in bent)


def test_for_essays_at_large_the_interval_is_wider_where_essays_differ_in_it() -> None:
    for plain in (found(), found(shift=1.5)):
        assert plain.shift_at_large.low <= plain.shift.low < plain.shift.high <= plain.shift_at_large.high
    one_liking = [found(seed=seed, essay=1.5) for seed in range(4)]
    assert all(reach(arm.shift_at_large) > 1.3 * reach(arm.shift) for arm in one_liking)


def test_how_sure_answers_are_is_compared_with_how_often_they_are_agreed_with() -> None:
    (singles,) = all_found().singles
    assert sum(n for _, n in singles.confidence.by_confidence.values()) == 276
    assert singles.confidence.error.low < 0.06  # the judge says what it is
    noisy = found(turned=0.25).confidence
    assert noisy.too_sure > 0.1
    assert noisy.error.low > noisy.by_chance


def test_how_many_pairs_it_takes_grows_with_the_noise_and_with_the_size() -> None:
    assert 220 <= pairs_for(0.10, 0.03, 8) <= 320
    assert pairs_for(0.20, 0.03, 8) > 1.8 * pairs_for(0.10, 0.03, 8)
    assert pairs_for(0.10, 0.03, 32) > pairs_for(0.10, 0.03, 8)
    assert pairs_for(0.0, 0.03, 8) == 30
    # As many as that are enough: the intervals of an honest judge are as narrow.
    judged = all_found()
    noise = judged.singles[0].retest.estimate
    (arm,) = judged.arms
    for one in (arm.excess, arm.shift):
        assert pairs_for(noise, reach(one), 8) >= 0.7 * 276
