"""Rounds: which one a comparison belongs to, and how large it says that it is."""

from typing import Any

import pytest

from domain.comparison import CallProfile, Member
from domain.rounds import HINT_CAP, announced_size, round_key

MEMBER = Member(5, 2)


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"cj_batch_id": "138", "comparison_iteration": 2, "bos_batch_id": "b"}, "cj:138:2"),
        ({"cj_batch_id": 138}, "cj:138:0"),
        ({"bos_batch_id": "b", "comparison_iteration": 1}, "bos:b:1"),
        ({"cj_batch_id": "", "bos_batch_id": "b"}, "bos:b:0"),
        ({"cj_batch_id": None, "bos_batch_id": ["b"]}, "own:5:2"),
        ({}, "own:5:2"),
        ({"cj_batch_id": "1", "comparison_iteration": "2"}, "cj:1:0"),
        ({"cj_batch_id": "1", "comparison_iteration": True}, "cj:1:0"),
        ({"cj_batch_id": "1", "comparison_iteration": None}, "cj:1:0"),
    ],
)
def test_the_round_of_a_comparison(metadata: dict[str, Any], key: str) -> None:
    assert round_key(metadata, MEMBER) == key


def test_comparisons_without_a_batch_share_no_round() -> None:
    assert len({round_key({}, Member(offset, position)) for offset in range(3) for position in range(3)}) == 9


@pytest.mark.parametrize(
    ("hint", "size"),
    [(1, 1), (12, 12), (63, 63), (HINT_CAP, None), (65, None), (0, None), (-1, None), (True, None), ("12", None), (12.0, None)],
)
def test_the_size_announced(hint: object, size: int | None) -> None:
    assert announced_size({"preferred_bundle_size": hint}) == size


def test_nothing_announced() -> None:
    assert announced_size({}) is None


def test_a_call_profile_differs_with_every_field() -> None:
    plain = ("openai", "m", "topic", "system", 0.1, 100, "low", "low")
    others = [(*plain[:place], None if place > 3 else "x", *plain[place + 1 :]) for place in range(len(plain))]
    digests = {CallProfile(*fields).digest() for fields in [plain, *others]}  # type: ignore[arg-type]
    assert len(digests) == len(plain) + 1
    assert CallProfile(*plain).digest() in digests
