"""Budgets: what goes, waits, is refused or split; where a day begins; what is remembered of payments."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from domain.admission import AdmissionVerdict, Decision
from domain.budget import Budget, Excess, day_of, decide
from domain.partition.payments import QUARTER_MS, Paid, Payments, add_up

HOUR_MS = 3_600_000


def budget(wanted: float, *, limit: float = 10.0, spent: float = 0.0, reserved: float = 0.0) -> Budget:
    return Budget("the day's budget", limit, spent, reserved, wanted)


@pytest.mark.parametrize(
    ("wanted", "spent", "reserved", "verdict"),
    [
        (3.0, 0.0, 0.0, AdmissionVerdict.GO),
        (3.0, 4.0, 3.0, AdmissionVerdict.GO),  # exactly what is left
        (0.1, 0.1 * 99, 0.0, AdmissionVerdict.GO),  # though 0.1 * 99 + 0.1 is a little above 10 in floats
        (3.0, 4.0, 3.1, AdmissionVerdict.NO_MONEY),
        (3.0, 9.0, 0.0, AdmissionVerdict.NO_MONEY),
        (10.0, 0.0, 0.0, AdmissionVerdict.GO),
        (10.1, 0.0, 0.0, AdmissionVerdict.SPLIT),  # more than the whole budget
        (10.1, 9.0, 0.0, AdmissionVerdict.SPLIT),
    ],
)
def test_a_job_goes_when_the_most_it_costs_is_left(
    wanted: float, spent: float, reserved: float, verdict: AdmissionVerdict
) -> None:
    one = budget(wanted, spent=spent, reserved=reserved)
    assert decide([one], members=2, excess=Excess.HOLD).verdict is verdict


def test_by_setting_the_excess_is_refused() -> None:
    decision = decide([budget(3.0, spent=8.0, reserved=0.5)], members=2, excess=Excess.REFUSE)
    said = "the day's budget, USD 10, has no room for a job of at most USD 3: 8 are spent and 0.5 reserved"
    assert decision == Decision(AdmissionVerdict.REFUSE, said)


@pytest.mark.parametrize(
    ("excess", "verdict"), [(Excess.HOLD, AdmissionVerdict.NO_MONEY), (Excess.REFUSE, AdmissionVerdict.REFUSE)]
)
def test_one_comparison_cannot_be_split(excess: Excess, verdict: AdmissionVerdict) -> None:
    assert decide([budget(10.1)], members=1, excess=excess).verdict is verdict


def test_every_budget_must_have_room() -> None:
    assert (
        decide([budget(3.0), budget(1.0, limit=2.0, spent=1.5)], members=2, excess=Excess.HOLD).verdict
        is AdmissionVerdict.NO_MONEY
    )
    assert decide([], members=2, excess=Excess.HOLD) == Decision(AdmissionVerdict.GO)


@pytest.mark.parametrize(
    ("zone", "at", "begins", "ends"),
    [
        ("UTC", "2026-11-25T03:00", "2026-11-25T00:00", "2026-11-26T00:00"),
        ("Europe/Stockholm", "2026-11-25T23:30", "2026-11-25T23:00", "2026-11-26T23:00"),
        ("Europe/Stockholm", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("Asia/Kathmandu", "2026-11-25T18:14", "2026-11-24T18:15", "2026-11-25T18:15"),
    ],
)
def test_a_day_begins_at_midnight_of_its_zone(zone: str, at: str, begins: str, ends: str) -> None:
    at_ms, *expected = (int(datetime.fromisoformat(one).replace(tzinfo=UTC).timestamp() * 1000) for one in (at, begins, ends))
    assert day_of(at_ms, ZoneInfo(zone)) == tuple(expected)
    assert all(one % QUARTER_MS == 0 for one in expected)


def test_payments_are_told_since_a_moment_and_by_batch() -> None:
    payments = Payments()
    payments.learn([Paid("x", HOUR_MS - 1, 1.0), Paid("x", HOUR_MS, 2.0)])
    payments.learn([Paid("y", 2 * HOUR_MS, 4.0), Paid("", 2 * HOUR_MS, 8.0)])
    assert [payments.since(hours * HOUR_MS) for hours in range(4)] == [15.0, 14.0, 12.0, 0.0]
    assert [payments.of_batch(batch) for batch in ("x", "y", "", "z")] == [3.0, 4.0, 0.0, 0.0]
    assert dict(payments.by_batch()) == {"x": 3.0, "y": 4.0}


def test_what_is_old_is_forgotten_a_batch_with_its_last_payment() -> None:
    payments = Payments()
    payments.learn([Paid("x", 0, 1.0), Paid("y", 0, 1.0), Paid("x", HOUR_MS, 2.0)])
    payments.forget(HOUR_MS)
    assert payments.since(0) == 2.0
    assert dict(payments.by_batch()) == {"x": 3.0}


def test_one_payment_for_each_batch_and_quarter_of_a_record() -> None:
    came = [Paid("x", 0, 1.0), Paid("y", 5, 2.0), Paid("x", 7, 3.0), Paid("x", QUARTER_MS, 4.0), Paid("z", 0, 0.0)]
    assert add_up(came) == (Paid("x", 0, 4.0), Paid("y", 5, 2.0), Paid("x", QUARTER_MS, 4.0))
