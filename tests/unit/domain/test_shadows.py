"""Which lines are audited: drawn by hash, so that what is expected to be spent on audits is a share of what lines cost."""

import math

import pytest

from domain.comparison import Member
from domain.job import Form, Shadow
from domain.shadows import choose, shadows

LINE = tuple(Member(7, place) for place in range(8))


def drawn(share: float, rounds: int, line_usd: float = 1.0, usd: float = 0.5, salt: bytes = b"s") -> list[tuple[Shadow, ...]]:
    return [
        choose(LINE, f"cj:{number}:0", salt=salt, share=share, line_usd=line_usd, shadows_usd=lambda _: usd)
        for number in range(rounds)
    ]


def test_a_bundle_s_member_is_asked_twice_alone_and_once_swapped_and_a_single_one_once_each() -> None:
    a = LINE[0]
    again, swapped = Shadow(a, Form.AGAIN, 1), Shadow(a, Form.SWAPPED, 1)
    assert shadows(a, 8) == (again, Shadow(a, Form.AGAIN, 2), swapped)
    assert shadows(a, 1) == (again, swapped)


def test_without_a_share_nothing_is_audited_and_with_a_whole_one_everything() -> None:
    assert not any(drawn(0.0, 50))
    assert all(drawn(1.0, 50))
    assert {one[0].member for one in drawn(1.0, 200)} == set(LINE)


@pytest.mark.parametrize("usd", [0.2, 0.5, 2.0])
def test_the_share_of_the_spend_is_kept_on_average(usd: float) -> None:
    rounds = 20_000
    audited = sum(map(bool, drawn(0.02, rounds, usd=usd)))
    error = usd * math.sqrt(0.02 / usd / rounds)
    assert audited * usd / rounds == pytest.approx(0.02, abs=3 * error)


def test_every_worker_draws_alike_and_another_salt_draws_otherwise() -> None:
    assert drawn(0.2, 300) == drawn(0.2, 300)
    assert drawn(0.2, 300) != drawn(0.2, 300, salt=b"t")
    assert choose(LINE, "r", salt=b"x" * 100, share=1, line_usd=1, shadows_usd=lambda _: 1.0)


def test_shadows_that_cost_nothing_are_always_asked() -> None:
    assert all(drawn(0.02, 20, usd=0.0))
