"""Providers: what a row refuses, and lines of one answer schema in each batch where a provider wants that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cutting import JobLimits, Pending, cut
from domain.job import ClosedBy, Policy, Transport
from domain.providers import PROVIDERS, by_schema
from domain.replanning import replan
from domain.reply import Cause, ErrorCode, Retry
from domain.strategies import STRATEGIES, choose
from tests.model.values import HOUR_MS, members, pending, plan

PENDING = st.builds(
    lambda number, provider, strategy, round_key: pending(
        members(60)[number], provider=provider, strategy=strategy, round_key=round_key
    ),
    st.integers(0, 59),
    st.sampled_from(sorted(PROVIDERS)),
    st.sampled_from(sorted(STRATEGIES)),
    st.sampled_from(["r", "s", "t"]),
)
LIMITS = st.builds(
    lambda items, size: dict.fromkeys(PROVIDERS, JobLimits(max_items=items, max_bytes=10**9, batch_bundle_size=size)),
    st.integers(1, 5),
    st.integers(1, 4),
)


@pytest.mark.parametrize(
    ("provider", "refused", "taken"),
    [
        (
            "google",
            ["gemini-2.5-flash", "models/gemini-2.5-pro", "gemini-flash-latest", "Gemini-2.5-Pro "],
            ["gemini-3.8-flash"],
        ),
        (
            "openrouter",
            [
                "openrouter/auto",
                "~a/b",
                "a/b-latest",
                "a/b:free",
                "a/b:batch",
                "@preset/x",
                "claude-haiku-5.5",
                " OpenRouter/auto",
                "/x",
            ],
            ["anthropic/claude-haiku-5.5"],
        ),
        ("openai", [], ["gpt-6-luna", "anything"]),
    ],
)
def test_names_that_stand_for_no_one_model_are_refused(provider: str, refused: list[str], taken: list[str]) -> None:
    assert all(PROVIDERS[provider].refusal_of(name) for name in refused)
    assert not any(PROVIDERS[provider].refusal_of(name) for name in taken)


@given(st.lists(PENDING, max_size=30, unique_by=lambda one: one.member), LIMITS, st.sampled_from(ClosedBy))
def test_a_batch_has_one_answer_schema_where_the_provider_wants_it(
    window: list[Pending], limits: dict[str, JobLimits], closed_by: ClosedBy
) -> None:
    plans = cut(window, closed_by=closed_by, limits=limits, policies=dict.fromkeys(PROVIDERS, Policy()))
    placed = [member for one in plans for member in one.members]
    assert len(placed) == len(set(placed))
    if closed_by is not ClosedBy.FULL:
        assert sorted(placed) == sorted(one.member for one in window)
    assert bool(plans) == bool(window)  # also a window that is full sends something
    for one in plans:
        if one.provider == "google" and one.transport is Transport.BATCH:
            assert len({len(line) for line in one.lines}) == 1


def test_what_is_planned_again_has_one_answer_schema_a_batch_too() -> None:
    a = members(12)
    of = plan(a, provider="google", lines=(a[0:4], a[4:8], a[8:12]))
    open_now = [*a[0:4], *a[4:7], *a[8:11]]
    retry = Retry(Cause.EXPIRED, ErrorCode.TIMEOUT, "expired")
    plans = replan(of, dict.fromkeys(open_now, retry), HOUR_MS // 2).plans
    assert [one.lines for one in plans] == [(a[0:4],), (a[4:7], a[8:11])]
    (together,) = replan(plan(a, provider="openai", lines=of.lines), dict.fromkeys(open_now, retry), HOUR_MS // 2).plans
    assert together.lines == (a[0:4], a[4:7], a[8:11])


def test_lines_keep_their_order_within_a_schema() -> None:
    assert by_schema("google", [(1,), (2, 3), (4,), (5, 6)]) == (((2, 3), (5, 6)), ((1,), (4,)))
    assert by_schema("anthropic", [(1,), (2, 3)]) == (((1,), (2, 3)),)


@pytest.mark.parametrize(("configured", "got"), [("serial_bundle", "serial_bundle"), ("per_request", "per_request")])
def test_a_wish_for_a_batch_gives_the_configured_row_where_no_batches_are_taken(configured: str, got: str) -> None:
    assert choose(configured, "provider_batch_api", honor_request_mode=True, batches=False) is STRATEGIES[got]
