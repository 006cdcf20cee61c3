"""A batch's ranking in a few numbers: the same as the parts it is made of, and nothing is fitted that would take too long."""

import random

import pytest

from domain import ranking, ranking_summary
from domain.ranking import Verdict
from domain.ranking_summary import MOST_ESSAYS, Summary, summary


def verdicts(essays: int, count: int, seed: int = 3) -> list[Verdict]:
    """Essays with large numbers, as the hashes of their IDs are, of which the higher wins mostly."""
    rng = random.Random(seed)
    pairs = (rng.sample(range(essays), 2) for _ in range(count))
    return [Verdict(10**9 + a * 7_919, 10**9 + b * 7_919, rng.random() < 1 / (1 + 2.0 ** (b - a))) for a, b in pairs]


def test_numbers_of_essays_do_not_matter() -> None:
    made = verdicts(12, 120)
    number: dict[int, int] = {}
    for verdict in made:
        for essay in verdict[:2]:
            number.setdefault(essay, len(number))
    small = [Verdict(number[a], number[b], a_won) for a, b, a_won in made]
    fitted = ranking.fit(12, small)
    told = summary(made, [])
    assert (told.essays, told.mean, told.groups) == (12, 20.0, 1)
    assert told.reliability == ranking.reliability(12, small, fitted).estimated
    assert told.order_points == fitted.order_points(small)


def test_a_line_of_one_letter_is_named_by_its_place() -> None:
    made = verdicts(12, 480)
    low, high = ([10**9 + n * 7_919 for n in of] for of in (range(3), range(9, 12)))
    # All are A, where one expects that A loses in half of them.
    turned = [Verdict(a, b, a_won=True) if (a + b) % 2 else Verdict(b, a, a_won=True) for a in low for b in high]
    told = summary([*made, *turned], [range(9), range(480, 489)])
    assert told.unlikely_lines == (1,)


@pytest.mark.parametrize("most", ["MOST_ESSAYS", "MOST_VERDICTS"])
def test_what_is_too_large_is_counted_and_not_fitted(most: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking_summary, most, 5)
    told = summary(verdicts(6, 60), [])
    assert told == Summary(6, told.least, 20.0, 1)
    assert MOST_ESSAYS == 400


def test_a_single_verdict_has_a_summary() -> None:
    told = summary([Verdict(5, 9, a_won=True)], [])
    assert (told.essays, told.least, told.mean, told.groups) == (2, 1, 1.0, 1)
    assert told.reliability is not None
    assert not told.order_surely
