"""Canaries: the noise of a judge is told by nine answers, an unchanged judge raises no alarm, and a changed one does."""

import random
from collections.abc import Iterator

import pytest

from domain.canaries import A_DAY, drift, due, frozen_a, noise, steady

PAIRS = 96


def chances(rng: random.Random) -> list[float]:
    """How likely a judge is to say A of each pair: half of the pairs are clear, half are close."""
    return [rng.choice((0.02, 0.98)) if place % 2 else rng.choice((0.1, 0.25, 0.75, 0.9)) for place in range(PAIRS)]


def says(rng: random.Random, chance: float) -> str:
    return "A" if rng.random() < chance else "B"


def course(seed: int, *, turned: float = 0.0, days: int = 45) -> Iterator[bool]:
    """Whether the alarm sounds at the end of each day, of a judge that has turned so many pairs since it was frozen."""
    rng = random.Random(seed)
    before = chances(rng)
    frozen = {str(pair): "".join(says(rng, chance) for _ in range(9)) for pair, chance in enumerate(before)}
    now = [1 - chance if rng.random() < turned else chance for chance in before]
    asked, rounds = list(steady(frozen)), []
    for day in range(days):
        rounds.append({pair: says(rng, now[int(pair)]) for pair in due(asked, day)})
        yield drift(frozen, rounds).sounds


def test_pairs_whose_answers_are_all_alike_are_steady() -> None:
    assert steady({"a": "AAAAAAAAA", "b": "BBBBBBBBB", "c": "AAAAAAAAB"}) == {"a": "A", "b": "B"}
    for wrong in ("AAAA", "AAAAAAAAC", "AAAAAAAAAA"):
        with pytest.raises(ValueError, match="must be 9 letters"):
            frozen_a(wrong)


def test_each_pair_has_its_turn() -> None:
    pairs = [str(pair) for pair in range(40)]
    asked = [pair for day in range(5) for pair in due(pairs, day)]
    assert len(asked) == 5 * A_DAY
    assert {asked.count(pair) for pair in pairs} == {3}
    assert due(["a", "b"], 7) == ["a", "b"]


def test_the_noise_is_that_of_a_tenth_answer_or_a_little_more() -> None:
    assert noise({"a": "AAAAAAAAA", "b": "BBBBBBBBB", "c": "AABBAABBA"}) == 0.0
    assert noise({"a": "AAAAAAAAB"}) == 1.0
    assert noise({"a": "AAAAAAAAB", "b": "BBBBBBBBB"}) == pytest.approx(1 / 10)
    assert noise({}) == 0.0
    rng = random.Random(3)
    expected = found = 0.0
    for _ in range(60):
        of = chances(rng)
        frozen = {str(pair): "".join(says(rng, chance) for _ in range(9)) for pair, chance in enumerate(of)}
        found += noise(frozen) / 60
        letters = steady(frozen)
        differ = (1 - of[int(pair)] if letter == "A" else of[int(pair)] for pair, letter in letters.items())
        expected += sum(differ) / len(letters) / 60
    assert 0 < found - expected < 0.01


def test_an_unchanged_judge_raises_no_alarm() -> None:
    assert not any(any(course(seed)) for seed in range(6))


def test_a_judge_that_turns_a_fifth_of_the_pairs_is_found_within_days() -> None:
    found = [next((day for day, sounds in enumerate(course(seed, turned=0.2), 1) if sounds), 99) for seed in range(12)]
    assert sorted(found)[6] <= 5
    assert sum(day <= 10 for day in found) >= 10


def test_what_is_told_of_the_last_round() -> None:
    frozen = {"a": "AAAAAAAAA", "b": "BBBBBBBBB", "c": "BBBBBBBBA"}
    told = drift(frozen, [{"a": "A", "b": "A"}, {"a": "B", "b": "B"}])
    assert (told.steady, told.answers, told.rounds, told.differ.estimate, told.changed) == (2, 4, 2, 0.5, ("a",))
    assert not drift(frozen, []).sounds
