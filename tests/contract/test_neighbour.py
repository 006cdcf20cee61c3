"""Beside another program on the same account: what is promised to it, and what the worker still uses.

In virtual time, by the simulator's own limits: the stranger asks when he likes and never again what was refused. Most cases
are the limiter's arithmetic alone; those `over_http` go through the real SDKs to the simulator's API. The figures themselves
are in docs/rate-limits.md (`python -m bench.neighbour`).
"""

import pytest

from simulator.limits import Limits
from tests.harness.limited_account import Play, Stranger, items
from tests.harness.limited_http import Scene, in_virtual_time

MEDIUM, SMALL = Limits(500, 400_000), Limits(50, 40_000)
TOLD = {"requests_per_minute": 500.0, "input_tokens_per_minute": 400_000.0}


@pytest.mark.parametrize(
    ("kind", "at_end", "stranger", "options"),
    [
        pytest.param("anthropic", False, Stranger(pause_s=40), {}, id="a-third-of-the-time"),
        pytest.param("openai", True, Stranger(pause_s=20), {}, id="half-of-the-time"),
        pytest.param("anthropic", False, Stranger(pause_s=40), {"in_hand": 16}, id="calls-asked-one-after-another"),
        pytest.param("openai", True, Stranger(pause_s=40), {"bundle": 8}, id="bundles"),
    ],
)
def test_a_stranger_is_let_in_first_and_what_he_leaves_is_used(
    kind: str, at_end: bool, stranger: Stranger, options: dict[str, int]
) -> None:
    bundle = options.get("bundle", 1)
    drawn = items(520 if bundle == 1 else 100, bundle=bundle)
    play = Play(
        kind, MEDIUM, drawn, max_tokens=400 * bundle, at_end=at_end, stranger=stranger, in_hand=options.get("in_hand")
    ).run()
    asked = len(play.strange_s) + len(play.strange_refused_s)
    assert asked > 100
    assert len(play.strange_refused_s) <= 0.05 * asked
    assert len(play.refused_s) <= 5
    assert play.left_used >= 0.95


@pytest.mark.parametrize(("kind", "at_end"), [("anthropic", False), ("openai", True)])
@pytest.mark.parametrize("pause_s", [20, 40])
def test_where_a_call_is_a_twentieth_of_the_limit_a_stranger_is_let_in_first_too(kind: str, at_end: bool, pause_s: int) -> None:
    plays = [
        Play(kind, SMALL, items(100, seed=seed), at_end=at_end, stranger=Stranger(pause_s=pause_s), seed=seed).run()
        for seed in range(3)
    ]
    for play in plays:
        asked = len(play.strange_s) + len(play.strange_refused_s)
        assert asked > 30
        assert len(play.strange_refused_s) <= 0.05 * asked
        assert len(play.refused_s) <= 5
        assert play.left_used >= 0.95


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(Scene("anthropic", 480, MEDIUM, Stranger()), id="anthropic"),
        pytest.param(Scene("anthropic", 200, SMALL, Stranger()), id="anthropic-smallest-account"),
        pytest.param(Scene("openai", 200, SMALL, Stranger(), at_end=True), id="openai-smallest-account"),
    ],
)
def test_over_http_a_stranger_is_let_in_first_and_what_he_leaves_is_used(scene: Scene) -> None:
    shown = in_virtual_time(scene)
    assert shown.his_calls > 70
    assert shown.his_refused <= 0.05 * shown.his_calls
    assert shown.refused <= 5
    assert shown.used >= 0.95


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(Scene("anthropic", 50, SMALL), id="anthropic"),
        pytest.param(Scene("openai", 250, MEDIUM, at_end=True), id="openai"),
    ],
)
def test_over_http_none_is_refused_while_limits_are_learnt(scene: Scene) -> None:
    shown = in_virtual_time(scene)
    assert shown.refused == 0
    assert shown.used >= 0.9  # of 20 s, in which the first answer is waited for


def test_two_workers_leave_a_stranger_what_he_wants_but_for_their_last_calls() -> None:
    play = Play("anthropic", MEDIUM, items(520, workers=2), (0.5, 0.5), at_end=True, stranger=Stranger()).run()
    asked = len(play.strange_s) + len(play.strange_refused_s)
    assert len(play.strange_refused_s) <= 0.1 * asked
    assert len(play.refused_s) <= 10
    assert play.left_used >= 0.95


@pytest.mark.parametrize(("share", "told"), [(0.7, {}), (0.5, TOLD)])
def test_a_share_is_kept_within_two_percent(share: float, told: dict[str, float]) -> None:
    play = Play("anthropic", MEDIUM, items(420), configured={**told, "limits_share": share}).run()
    assert play.refused_s == []
    assert 0.98 <= play.left_used <= 1.02


def test_beside_a_stranger_who_takes_the_rest_a_share_is_all_used() -> None:
    play = Play("openai", MEDIUM, items(420), at_end=True, stranger=Stranger(), configured={"limits_share": 0.7}).run()
    assert play.refused_s == play.strange_refused_s == []
    assert 0.98 <= play.left_used <= 1.02


def test_a_stranger_who_takes_everything_he_can_get_does_not_starve_the_worker() -> None:
    greedy = Stranger(wants=2.0, burst_s=60, pause_s=0, first_s=0)
    play = Play("anthropic", MEDIUM, items(60), stranger=greedy).run()
    assert play.now_s < 300


def test_what_others_take_is_counted() -> None:
    play = Play("anthropic", MEDIUM, items(420), stranger=Stranger()).run()
    state = play.cores[0].state(play.now_s)
    assert 0.85 * play.strange_charged <= state.limits["m"]["input_tokens"].taken_by_others <= 1.02 * play.strange_charged
    alone = Play("anthropic", MEDIUM, items(250)).run()
    assert {one.taken_by_others for one in alone.cores[0].state(alone.now_s).limits["m"].values()} == {0.0}


@pytest.mark.parametrize(("kind", "at_end"), [("anthropic", False), ("openai", True)])
@pytest.mark.parametrize("latency_s", [0.3, 1.6])
def test_none_is_refused_while_limits_are_learnt_even_where_calls_reach_the_provider_late(
    kind: str, at_end: bool, latency_s: float
) -> None:
    drawn = items(300, latency_s=latency_s)
    play = Play(kind, MEDIUM, drawn, at_end=at_end, reach_s=(0.02, 0.8)).run()
    assert play.refused_s == []


@pytest.mark.parametrize("used", [0.0, 0.999])
def test_where_no_limit_is_known_one_call_goes_and_the_others_wait_for_its_answer(used: float) -> None:
    play = Play("openai", Limits(5, 20_000), items(4), used=used).run()
    assert len(play.refused_s) <= (1 if used else 0)
