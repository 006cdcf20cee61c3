"""Which lines are audited: drawn by hash, so that what is expected to be spent on audits is a share of what lines cost."""

import math

import pytest

from domain.comparison import Member
from domain.job import Form, Shadow
from domain.shadows import AuditRule, shadows

LINE = tuple(Member(7, place) for place in range(8))


def drawn(
    share: float, rounds: int, *, single: int = 1_000, salt: bytes = b"s", priced: bool = True, line: tuple[Member, ...] = LINE
) -> list[tuple[Shadow, ...]]:
    """A line of 4,000 input tokens at 1 and 5 USD a million, in so many rounds; `single`: tokens of each of its members."""
    rule = AuditRule(share, salt, lambda provider, model, batch, into, out: (into + 5 * out) / 1e6 if priced else None)
    account, tokens = ("openai", "m", True), [single] * len(line)
    return [
        rule.shadows_of(line, f"cj:{number}:0", account=account, line_tokens=4_000, tokens=tokens, layout="verbatim")
        for number in range(rounds)
    ]


def test_a_bundle_s_member_is_asked_twice_alone_and_once_swapped_and_a_single_one_once_each() -> None:
    a = LINE[0]
    again, swapped = Shadow(a, Form.AGAIN, 1), Shadow(a, Form.SWAPPED, 1)
    assert shadows(a, 8) == (again, Shadow(a, Form.AGAIN, 2), swapped)
    assert shadows(a, 1) == (again, swapped)


def test_the_share_of_the_spend_is_kept_on_average_with_and_without_a_price() -> None:
    rounds, line_usd = 20_000, 4_000 + 5 * 800
    for single, priced in ((300, True), (1_000, True), (1_000, False), (4_000, True)):
        audited = sum(map(bool, drawn(0.02, rounds, single=single, priced=priced)))
        part = 3 * (single + 5 * 100) / line_usd
        error = part * math.sqrt(0.02 / part / rounds)
        assert audited * part / rounds == pytest.approx(0.02, abs=3 * error)


def test_with_a_large_share_every_line_is_audited_and_any_of_its_members() -> None:
    assert all(drawn(2.0, 200))
    assert {one[0].member for one in drawn(2.0, 200)} == set(LINE)
    assert {one[0].member for one in drawn(0.02, 20_000) if one} == set(LINE)


def test_every_worker_draws_alike_and_another_salt_draws_otherwise() -> None:
    assert drawn(0.2, 300) == drawn(0.2, 300)
    assert drawn(0.2, 300) != drawn(0.2, 300, salt=b"t")
    assert drawn(0.2, 300, salt=b"x" * 100) == drawn(0.2, 300, salt=b"x" * 64)


def test_most_lines_are_passed_over_without_asking_for_prices() -> None:
    asked = []

    def usd(*of: object) -> float:
        asked.append(of)
        return 1.0

    rule = AuditRule(0.02, b"s", usd)
    for number in range(1_000):
        rule.shadows_of(
            LINE[:1], f"cj:{number}:0", account=("openai", "m", True), line_tokens=900, tokens=[900], layout="verbatim"
        )
    assert len(asked) < 60
