"""The model of `make compare`: it answers all, keeps to the limits, and its ideal is a bound."""

import pytest

from compare import ideal, workload
from compare.case import LONG_LINES, Case, all_cases, asked_at_s, night_cron
from compare.events import Events
from compare.limits import SIZES
from compare.model import play
from compare.pace import CALL_S, Pace
from domain.strategies import STRATEGIES


@pytest.mark.parametrize(
    "case",
    [
        Case("per_request", "openai", "small", "rounds"),
        Case("serial_bundle", "anthropic", "small", "rounds", 8, "verbatim"),
        Case("serial_bundle", "openai", "small", "dense", 8, "shared_essays"),
    ],
    ids=lambda case: case.name,
)
def test_calls_are_all_answered_within_the_limits_and_near_the_ideal(case: Case) -> None:
    row = play(case)

    assert row.answered == row.comparisons == (120 if case.workload == "rounds" else 288)
    assert row.calls_429 == 0
    assert 0.95 <= row.ideal_s / row.makespan_s <= 1.0
    # Beyond the burst of a full bucket no more can have been taken than was refilled.
    assert row.http_operations - SIZES["small"].requests <= SIZES["small"].requests * row.makespan_s / 60
    assert row.throttled_s > row.makespan_s / 2
    assert row.rank_correlation > 0.9


def test_a_round_goes_as_one_batch_and_the_next_one_when_it_is_answered() -> None:
    row = play(Case("per_round", "anthropic", "small", "rounds"))

    assert row.answered == row.comparisons == 120
    assert row.ideal_s == 10 * Pace().batch_s
    assert row.makespan_s > row.ideal_s
    # Looks after 5, 12.5, 23.75 … 374.5 s: ten in each batch of 320 s; and the create call, one more look, the rows.
    assert row.http_operations == 10 * (1 + 9 + 2)
    assert row.p50_s == pytest.approx(374.7, abs=0.5)


def test_a_night_is_waited_for_and_halves_the_price() -> None:
    nightly, single = (play(Case(strategy, "openai", "large", "dense")) for strategy in ("nightly", "per_request"))

    assert nightly.makespan_s > 9 * 3600
    assert nightly.answered == nightly.comparisons == 288
    assert nightly.cost_usd == pytest.approx(single.cost_usd / 2, rel=0.05)


def test_long_lines_of_shared_essays_are_paid_once_for_each_essay() -> None:
    single = play(Case("per_request", "anthropic", "large", "dense")).cost_usd
    shares = {
        size: play(Case("per_round", "anthropic", "large", "dense", size, "shared_essays")).cost_usd / single
        for size in (8, *LONG_LINES)
    }

    assert shares == pytest.approx({8: 0.206, 16: 0.160, 32: 0.126, 64: 0.108}, abs=0.004)


def test_bundles_of_eight_take_an_eighth_of_the_operations() -> None:
    row = play(Case("serial_bundle", "anthropic", "large", "dense", 8, "shared_essays"))

    assert row.http_operations / row.comparisons <= 0.15
    assert row.throttled_s < row.makespan_s


def test_a_faster_pace_gives_the_same_unscaled_seconds() -> None:
    case = Case("per_request", "anthropic", "small", "dense")
    plain, scaled = play(case), play(case, Pace(scale=20.0))

    assert scaled.makespan_s == pytest.approx(plain.makespan_s, rel=0.05)
    assert (scaled.scale, scaled.comparisons, scaled.http_operations) == (20.0, plain.comparisons, plain.http_operations)


def test_the_cases_hold_every_strategy_at_both_providers() -> None:
    cases = all_cases()

    assert {(case.strategy, case.provider) for case in cases} == {
        (strategy, provider) for strategy in STRATEGIES for provider in ("anthropic", "openai")
    }
    assert len({case.name for case in cases}) == len(cases) == 162
    lines = {case.bundle_size for case in cases if case.batched and case.workload == "dense"}
    assert lines == {1, 8, 16, 32, 64}


def test_the_workload_has_the_recorded_lengths() -> None:
    lengths = sorted(len(essay.text.split()) for essay in workload.recorded().essays)
    dense = workload.WORKLOADS["dense"].batch("anthropic", "m", "per_request", callback_topic="t").next_round()

    assert (lengths[0], lengths[-1]) == (257, 629)  # 256 to 628 words and the mark of the quality
    assert len(dense) == 288
    assert {body["metadata"]["preferred_bundle_size"] for body in dense} == {64}
    assert all(len(value) < 1_048_576 for value in workload.records(dense))


@pytest.mark.parametrize("marked", [True, False])
def test_a_real_judge_does_not_see_the_quality(marked: bool) -> None:
    batch = workload.WORKLOADS["rounds"].batch("anthropic", "m", "per_request", callback_topic="t", marked=marked)
    bodies = batch.next_round()

    assert len(bodies) == 12
    assert all(("[quality:" in body["user_prompt"]) is marked for body in bodies)
    assert all(("[quality:" in block["content"]) is marked for body in bodies for block in body["prompt_blocks"][1:3])


@pytest.mark.parametrize(
    ("tokens", "rounds", "ideal_s"),
    [
        ([1_000.0] * 32, [32], 2 * CALL_S),  # within the full bucket: two waves of 16
        ([1_000.0] * 100, [100], 90.0 + CALL_S),  # 60,000 beyond it, at 40,000 a minute
        ([100.0] * 150, [150], 120.0 + CALL_S),  # 100 requests beyond the 50
        ([100.0] * 40, [4] * 10, 10 * CALL_S),  # ten rounds, one after another
        ([45_000.0, 45_000.0], [2], 67.5 + CALL_S),  # each more than a minute's worth: the second waits for a full bucket
        ([], [], 0.0),
    ],
)
def test_the_ideal_is_the_longest_of_what_each_limit_permits(tokens: list[float], rounds: list[int], ideal_s: float) -> None:
    taken = ideal.Taken(tokens, rounds, [CALL_S] * len(tokens))

    assert ideal.of_calls(taken, SIZES["small"], concurrent_calls=16) == pytest.approx(ideal_s)


def test_virtual_time_leaps_in_order_and_ends_when_nothing_is_left() -> None:
    events, seen = Events(100.0), list[float]()
    for seconds in (5.0, 1.0, 1.0):
        events.after(seconds, lambda: seen.append(events.now()))
    events.run(until=lambda: len(seen) == 3)

    assert seen == [101.0, 101.0, 105.0]
    with pytest.raises(RuntimeError, match="nothing is left to happen"):
        events.run(until=lambda: False)


def test_a_night_has_a_cron_expression_at_a_day_a_day_and_a_day_a_minute() -> None:
    assert night_cron(1) == "0 1 * * *"
    assert night_cron(1440.0) == "2 * * * * *"
    assert (asked_at_s(1), asked_at_s(1440.0)) == (16 * 3600.0, 39.5)  # nine hours before
    with pytest.raises(ValueError, match="scale 20"):
        night_cron(20.0)
