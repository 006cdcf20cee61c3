"""Nightly ticks: one a night over both daylight-saving changes."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.nightly import Schedule

ZONE = "Europe/Stockholm"


def ms(local: str, zone: str = ZONE) -> int:
    return round(dt.datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def utc(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).strftime("%m-%d %H:%M")


def test_an_ordinary_night() -> None:
    nightly = Schedule("0 2 * * *", ZONE)
    assert nightly.next_tick_ms(ms("2026-11-24T12:00")) == ms("2026-11-25T02:00")
    assert nightly.next_tick_ms(ms("2026-11-24T02:00")) == ms("2026-11-25T02:00")
    assert nightly.next_tick_ms(ms("2026-11-24T01:59")) == ms("2026-11-24T02:00")
    assert nightly.longest_gap_s(ms("2026-06-01T00:00")) == 25 * 3600  # the night on which an hour comes twice


@pytest.mark.parametrize(
    ("cron", "day", "instants"),
    [
        # 02:30 does not exist on 29 March 2026 (02:00 becomes 03:00): it ticks at 03:30 summer time, 01:30 UTC.
        ("30 2 * * *", "2026-03-28", ["03-28 01:30", "03-29 01:30", "03-30 00:30"]),
        # 02:30 comes twice on 25 October 2026: it ticks the first time, 00:30 UTC, and not again.
        ("30 2 * * *", "2026-10-24", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        ("0 3 * * *", "2026-03-28", ["03-28 02:00", "03-29 01:00", "03-30 01:00"]),
        ("0 3 * * *", "2026-10-24", ["10-24 01:00", "10-25 02:00", "10-26 02:00"]),
    ],
)
def test_one_tick_a_night_over_both_changes(cron: str, day: str, instants: list[str]) -> None:
    at = ms(f"{day}T00:00")
    found = []
    for _ in instants:
        at = Schedule(cron, ZONE).next_tick_ms(at)
        found.append(utc(at))
    assert found == instants


@given(
    st.integers(ms("2026-01-01T00:00"), ms("2027-01-01T00:00")),
    st.sampled_from(["30 2 * * *", "0 */6 * * *", "15 1 * * 1-5", "30 */20 * * * *", "10 30 2 * * *"]),
    st.sampled_from([ZONE, "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Antarctica/Troll", "UTC"]),
)
def test_no_tick_lies_between_an_instant_and_its_next(after_ms: int, cron: str, zone: str) -> None:
    schedule = Schedule(cron, zone)
    tick_ms = schedule.next_tick_ms(after_ms)
    assert after_ms < tick_ms
    assert schedule.next_tick_ms((after_ms + tick_ms) // 2) == tick_ms
    assert schedule.next_tick_ms(tick_ms - 1) == tick_ms


def test_six_fields_begin_with_the_second() -> None:
    each = Schedule("*/3 * * * * *", "UTC")
    assert each.next_tick_ms(ms("2026-11-24T12:00:01", "UTC")) == ms("2026-11-24T12:00:03", "UTC")
    assert each.next_tick_ms(ms("2026-11-24T12:00:03", "UTC")) == ms("2026-11-24T12:00:06", "UTC")
    once = Schedule("30 0 2 * * *", "UTC")
    assert once.next_tick_ms(ms("2026-11-24T12:00", "UTC")) == ms("2026-11-25T02:00:30", "UTC")


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("0 1 * * *", 25),
        ("0 1 * * 1-5", 72 + 1),  # a weekend, and the night on which an hour comes twice
        ("0 1 1 * *", 31 * 24 + 1),
        ("* 8-17 * * *", 15 + 1 / 60),
        ("*/3 * * * * *", 6),  # shorter ones are not told apart
        ("0 */4 * * *", 6),
    ],
)
def test_the_longest_wait_for_a_tick(cron: str, hours: float) -> None:
    assert Schedule(cron, ZONE).longest_gap_s(ms("2026-01-01T00:00")) == pytest.approx(hours * 3600)
