"""Closing: when a window is due, and why."""

from typing import Any

import pytest

from domain.closing import Progress, Window, due
from domain.comparison import Member
from domain.cutting import JobLimits, encoded_bytes
from domain.job import ClosedBy
from domain.nightly import Schedule
from tests.model.values import members, pending

SCHEDULES = {name: Schedule("0 2 * * *", "UTC") for name in ("anthropic", "openai")}
LIMITS = {"openai": JobLimits(10, 1_000_000), "anthropic": JobLimits(4, 1_000_000)}


def window(count: int = 2, **fields: Any) -> Window:
    made = Window("r", fields.get("strategy", "per_round"), 1_000, 1_000)
    for member in members(count):
        made.add(pending(member, **fields))
    return made


def said(of: Window, progress: Progress | None = None, now_ms: int = 1_000, **limits: JobLimits) -> ClosedBy | None:
    return due(of, progress or Progress(), now_ms, quiet_s=2.0, age_s=30.0, limits={**LIMITS, **limits}, schedules=SCHEDULES)


def test_nothing_is_due_yet() -> None:
    assert said(window(), Progress(ids=2, announced=3)) is None


def test_an_empty_window_is_never_due() -> None:
    assert said(window(0), Progress(ids=1, announced=1), 99_999_999) is None


def test_per_request_closes_at_once() -> None:
    assert said(window(1, strategy="per_request")) is ClosedBy.AT_ONCE


def test_a_round_of_singles_is_complete_at_its_announced_size() -> None:
    assert said(window(), Progress(ids=3, announced=3)) is ClosedBy.COMPLETE


def test_a_latecomer_waits_for_quiet() -> None:
    assert said(window(1), Progress(ids=4, announced=3)) is None
    assert said(window(1), Progress(ids=4, announced=3), 3_000) is ClosedBy.QUIET


def test_a_round_record_is_complete_with_its_last_part() -> None:
    assert said(window(), Progress(ids=2, parts=2, parts_seen={2})) is None
    assert said(window(), Progress(ids=2, parts=2, parts_seen={1, 2})) is ClosedBy.COMPLETE


def test_without_a_size_nothing_is_complete() -> None:
    assert not Progress(ids=12).complete


@pytest.mark.parametrize(("now_ms", "closed_by"), [(2_999, None), (3_000, ClosedBy.QUIET)])
def test_quiet(now_ms: int, closed_by: ClosedBy | None) -> None:
    assert said(window(), now_ms=now_ms) is closed_by


@pytest.mark.parametrize(("now_ms", "closed_by"), [(30_999, None), (31_000, ClosedBy.AGE)])
def test_age(now_ms: int, closed_by: ClosedBy | None) -> None:
    busy = window()
    busy.last_ms = now_ms
    assert said(busy, now_ms=now_ms) is closed_by


def test_full_by_items_of_the_provider_itself() -> None:
    assert said(window(9)) is None
    assert said(window(10)) is ClosedBy.FULL
    assert said(window(3, provider="anthropic")) is None
    assert said(window(4, provider="anthropic")) is ClosedBy.FULL


def test_full_by_bytes() -> None:
    one = encoded_bytes(pending(Member(0, 0)))
    assert said(window(3), openai=JobLimits(10, 3 * one + 1)) is None
    assert said(window(3), openai=JobLimits(10, 3 * one)) is ClosedBy.FULL


def test_two_providers_below_their_limits_do_not_fill_a_window_together() -> None:
    mixed = window(3, provider="anthropic")
    for position in range(9):
        mixed.add(pending(Member(1, position)))
    assert said(mixed) is None
    mixed.add(pending(Member(1, 9)))
    assert said(mixed) is ClosedBy.FULL


def test_what_leaves_a_window_takes_its_size_along() -> None:
    made = window(2)
    made.remove(Member(0, 0))
    made.remove(Member(0, 0))
    made.remove(Member(7, 7))
    assert made.size_bytes == encoded_bytes(pending(Member(0, 1)))
    made.remove(Member(0, 1))
    assert (made.size_bytes, made.members) == (0, {})


def test_a_nightly_window_closes_at_the_first_tick_after_its_earliest_request() -> None:
    day_ms = 86_400_000
    of = Window("all:openai", "nightly", 10 * day_ms, 10 * day_ms)  # seen late, after a restart
    for member in members(2):
        of.add(pending(member, strategy="nightly", arrived_ms=3 * day_ms + 3_600_000))
    assert said(of, now_ms=3 * day_ms + 7_199_999) is None
    assert said(of, now_ms=3 * day_ms + 7_200_000) is ClosedBy.SCHEDULE


def test_a_tick_missed_by_downtime_is_caught_up_once() -> None:
    day_ms = 86_400_000
    of = Window("all:openai", "nightly", 0, 0)
    of.add(pending(members(1)[0], strategy="nightly", arrived_ms=0))
    assert said(of, now_ms=5 * day_ms) is ClosedBy.SCHEDULE
    later = Window("all:openai", "nightly", 0, 0)
    later.add(pending(members(1)[0], strategy="nightly", arrived_ms=5 * day_ms))
    assert said(later, now_ms=5 * day_ms + 1_000) is None


def test_a_nightly_window_closes_when_full_of_tokens() -> None:
    of = window(3, strategy="nightly", prompt_bytes=1_000, arrived_ms=1_000)
    assert said(of) is None
    assert said(of, openai=JobLimits(10, 1_000_000, max_tokens=3_000)) is ClosedBy.FULL
