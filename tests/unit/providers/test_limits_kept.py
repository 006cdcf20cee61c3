"""What a limit permits is used, and no call is refused: in virtual time, at accounts of the sizes that were recorded."""

from typing import Any

import pytest

from simulator.limits import Limits
from tests.harness.limited_account import Play, items

SMALL = {"requests": 50, "tokens": 40_000}
MEDIUM = {"requests": 500, "tokens": 400_000}
MANY_TOKENS = 40_000_000


@pytest.mark.parametrize(("kind", "at_end"), [("anthropic", False), ("openai", True)])
@pytest.mark.parametrize(
    ("limits", "calls", "options"),
    [
        pytest.param({"requests": 50, "tokens": MANY_TOKENS}, 120, {}, id="requests"),
        pytest.param(SMALL, 70, {}, id="tokens"),
        pytest.param(SMALL, 12, {"bundle": 8}, id="tokens-bundles"),
        pytest.param({"requests": 50, "tokens": MANY_TOKENS}, 140, {"bundle": 8}, id="requests-bundles"),
        pytest.param(MEDIUM, 80, {"bundle": 8}, id="medium-bundles"),
        pytest.param({"requests": 500, "tokens": MANY_TOKENS}, 1_200, {"shares": (0.5, 0.5)}, id="two-workers-requests"),
        pytest.param(MEDIUM, 420, {"shares": (0.5, 0.5)}, id="two-workers-tokens"),
    ],
)
def test_what_the_limit_permits_without_a_refusal(
    kind: str, at_end: bool, limits: dict[str, int], calls: int, options: dict[str, Any]
) -> None:
    bundle, shares = options.get("bundle", 1), options.get("shares", (1.0,))
    play = Play(
        kind,
        Limits(**limits),
        items(calls, bundle=bundle, workers=len(shares)),
        shares,
        max_tokens=400 * bundle,
        at_end=at_end,
    ).run()
    assert play.refused_s == []
    # Workers that begin together and see what is left only when a call ends take the first of each other's calls for use from
    # before their time: some 6 s worth of calls stay in the bucket.
    assert play.ideal_s / play.now_s >= (0.9 if at_end and len(shares) > 1 else 0.95)
    assert play.ideal_s > 60  # longer than a bucket's worth lasts


@pytest.mark.parametrize("at_end", [False, True])
def test_all_concurrent_calls_are_used_where_no_limit_is_met(at_end: bool) -> None:
    large = {"requests_per_minute": 4_000.0, "input_tokens_per_minute": 4_000_000.0}
    play = Play("anthropic", Limits(4_000, 4_000_000), items(500, latency_s=5), at_end=at_end, configured=large).run()
    assert play.refused_s == []
    assert play.ideal_s / play.now_s >= 0.93  # the way there and back is 4 % of a call
    assert play.cores[0].state(play.now_s).throttled_s["m", "concurrency"] > 0.9 * play.now_s


def test_output_tokens_hold_calls_back_too() -> None:
    play = Play("anthropic", Limits(output_tokens=4_000), items(150), max_tokens=400).run()
    assert play.refused_s == []
    assert play.ideal_s / play.now_s >= 0.93


def test_a_worker_whose_partners_are_idle_takes_what_they_leave() -> None:
    play = Play("anthropic", Limits(**MEDIUM), items(600, workers=2, on_first=0.95), (0.25, 0.75)).run()
    assert play.refused_s == []
    assert play.ideal_s / play.now_s >= 0.9
    alone = [at_s for at_s, item in play.ended if item.worker == 0]
    assert len(alone) > 500


@pytest.mark.parametrize("at_end", [False, True])
def test_a_bucket_that_was_used_up_before_the_start_is_found_out_by_one_call(at_end: bool) -> None:
    play = Play("openai", Limits(**SMALL), items(30), used=0.97, at_end=at_end).run()
    assert len(play.refused_s) <= 1
    assert play.ideal_s / play.now_s >= 0.95


@pytest.mark.parametrize(("before", "after"), [(300, 60), (60, 300)])
@pytest.mark.parametrize("at_end", [False, True])
def test_a_limit_that_changes_is_followed_within_ten_seconds(before: int, after: int, at_end: bool) -> None:
    play = Play(
        "anthropic",
        Limits(before, MANY_TOKENS),
        items(520 if before > after else 300),
        at_end=at_end,
        changes=((30.0, {"requests": after}),),
        concurrent_calls=32,
    ).run()
    assert len([at_s for at_s in play.refused_s if at_s > 40.0]) == 0
    assert len(play.refused_s) <= 10  # calls that were on their way when it changed
    left = min(after, before / 2)  # a bucket's worth may have been there
    in_ten_s = sum(40.0 <= at_s < 50.0 for at_s, _ in play.ended)
    assert after / 6 * 0.8 <= in_ten_s <= after / 6 + left


def test_a_small_round_is_not_stuck_behind_a_large_one() -> None:
    large = [item.__class__(0, "large", *list(item.__dict__.values())[2:]) for item in items(400)]
    small = [item.__class__(0, "small", *list(item.__dict__.values())[2:]) for item in items(12, seed=1)]
    play = Play("anthropic", Limits(50, MANY_TOKENS), [*large, *small]).run()
    last_small_s = max(at_s for at_s, item in play.ended if item.round_key == "small")
    before = sum(at_s <= last_small_s for at_s, item in play.ended if item.round_key == "large")
    assert before <= 12 + 16
