"""Cutting: each comparison in exactly one place, within the limits, the same on every evaluation."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.comparison import Member
from domain.cutting import JobLimits, Pending, cut, encoded_bytes, estimated_tokens
from domain.job import ClosedBy, Plan, Policy, Transport
from domain.shadows import AuditRule
from domain.strategies import STRATEGIES
from tests.model.values import members, pending

POLICY = Policy(attempts=7)
LIMITS = st.builds(
    JobLimits,
    st.integers(1, 8),
    st.integers(1_024, 40_000),
    st.integers(1_000, 40_000),
    st.integers(1, 8),
    st.integers(1, 4),
)
PENDING = st.builds(
    lambda place, provider, model, strategy, size, deadline, round_key, hint: pending(
        Member(*place),
        provider=provider,
        model=model,
        strategy=strategy,
        prompt_bytes=size,
        deadline_ms=deadline,
        round_key=round_key,
        bundle_hint=hint,
    ),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.sampled_from(["openai", "anthropic"]),
    st.sampled_from(["small", "large"]),
    st.sampled_from(sorted(STRATEGIES)),
    st.integers(1, 20_000),
    st.integers(1, 100),
    st.sampled_from(["r", "s"]),
    st.integers(0, 6),
)
WINDOWS = st.lists(PENDING, max_size=30, unique_by=lambda one: one.member)


def plans(window: list[Pending], openai: JobLimits, anthropic: JobLimits) -> tuple[Plan, ...]:
    return cut(
        window,
        closed_by=ClosedBy.QUIET,
        limits={"openai": openai, "anthropic": anthropic},
        policies={"openai": POLICY, "anthropic": POLICY},
    )


@given(WINDOWS, LIMITS, LIMITS)
def test_each_comparison_is_in_exactly_one_place(window: list[Pending], openai: JobLimits, anthropic: JobLimits) -> None:
    placed = [member for plan in plans(window, openai, anthropic) for member in plan.members]
    assert sorted(placed) == sorted(one.member for one in window)


@given(WINDOWS, LIMITS, LIMITS)
def test_limits_are_never_exceeded(window: list[Pending], openai: JobLimits, anthropic: JobLimits) -> None:
    """But by a single comparison that is larger than any job may be: it goes alone, and the provider judges it."""
    known = {one.member: one for one in window}
    limits = {"openai": openai, "anthropic": anthropic}
    for plan in plans(window, openai, anthropic):
        of = limits[plan.provider]
        assert len(plan.lines) <= of.max_items
        assert sum(encoded_bytes(known[member]) for member in plan.members) <= of.max_bytes or len(plan.members) == 1
        assert sum(estimated_tokens(known[member]) for member in plan.members) <= of.max_tokens or len(plan.members) == 1


@given(WINDOWS, LIMITS, LIMITS)
def test_a_line_of_several_holds_one_round_and_call_profile_and_no_more_than_it_may(
    window: list[Pending], openai: JobLimits, anthropic: JobLimits
) -> None:
    known = {one.member: one for one in window}
    for plan in plans(window, openai, anthropic):
        of = {"openai": openai, "anthropic": anthropic}[plan.provider]
        for line in plan.lines:
            row = STRATEGIES[known[line[0]].resolved.strategy]
            most = of.bundle_size if row.bundles else of.batch_bundle_size if row.transport is Transport.BATCH else 1
            assert len(line) <= min([most, *(known[member].resolved.bundle_hint or most for member in line)])
            assert len({(known[member].round_key, known[member].resolved.profile) for member in line}) == 1


def test_a_round_of_twelve_is_bundles_of_eight_and_four() -> None:
    window = [pending(member, strategy="serial_bundle", bundle_hint=12) for member in members(12)]
    (plan,) = plans(window, JobLimits(100, 1_000_000), JobLimits(100, 1_000_000))
    assert [len(line) for line in plan.lines] == [8, 4]
    assert (plan.transport, plan.mode) == (Transport.CALL, "serial_bundle")


@given(WINDOWS, LIMITS, LIMITS, st.randoms(use_true_random=False))
def test_the_same_window_gives_the_same_plans(
    window: list[Pending], openai: JobLimits, anthropic: JobLimits, order: random.Random
) -> None:
    shuffled = window.copy()
    order.shuffle(shuffled)
    first, again = plans(window, openai, anthropic), plans(shuffled, openai, anthropic)
    assert {plan.members: plan for plan in first} == {plan.members: plan for plan in again}
    assert [plan.members for plan in first] == [plan.members for plan in again]


@given(WINDOWS, LIMITS, LIMITS)
def test_a_plan_is_of_one_provider_model_and_strategy_and_ends_with_its_earliest_deadline(
    window: list[Pending], openai: JobLimits, anthropic: JobLimits
) -> None:
    known = {one.member: one for one in window}
    for plan in plans(window, openai, anthropic):
        of = [known[member].resolved for member in plan.members]
        assert {(one.provider, one.model) for one in of} == {(plan.provider, plan.model)}
        assert len({one.strategy for one in of}) == 1
        assert plan.transport is STRATEGIES[of[0].strategy].transport
        assert plan.deadline_ms == min(one.deadline_ms for one in of)
        assert (plan.closed_by, plan.policy, plan.attempt, plan.not_before_ms) == (ClosedBy.QUIET, POLICY, 1, 0)


def test_jobs_are_filled_before_the_next_is_begun() -> None:
    window = [pending(member) for member in members(7)]
    few = JobLimits(3, 1_000_000)
    assert [len(plan.lines) for plan in plans(window, few, few)] == [3, 3, 1]


def test_nothing_to_cut() -> None:
    assert plans([], JobLimits(1, 1_024), JobLimits(1, 1_024)) == ()


@given(WINDOWS, LIMITS, LIMITS)
def test_a_full_window_keeps_what_is_left_over_beyond_full_plans(
    window: list[Pending], openai: JobLimits, anthropic: JobLimits
) -> None:
    limits = {"openai": openai, "anthropic": anthropic}
    policies = {"openai": POLICY, "anthropic": POLICY}
    full = cut(window, closed_by=ClosedBy.FULL, limits=limits, policies=policies)
    every = cut(window, closed_by=ClosedBy.QUIET, limits=limits, policies=policies)
    assert bool(full) == bool(window)

    def lines(made: tuple[Plan, ...]) -> list[tuple[str, tuple[tuple[Member, ...], ...]]]:
        return [(plan.provider, plan.lines) for plan in made]

    kept = [one for one in lines(every) if one not in lines(full)]
    assert [one for one in lines(every) if one in lines(full)] == lines(full)
    groups = {(one.resolved.strategy, one.resolved.provider, one.resolved.model) for one in window}
    assert len(kept) <= len(groups)


EVERY_LINE = AuditRule(100.0, b"salt", lambda provider, model, batch, into, out: None)


@given(WINDOWS, LIMITS, LIMITS)
def test_shadows_count_in_the_limits_of_a_batch(window: list[Pending], openai: JobLimits, anthropic: JobLimits) -> None:
    known = {one.member: one for one in window}
    limits = {"openai": openai, "anthropic": anthropic}
    policies = dict.fromkeys(limits, POLICY)
    audited = cut(window, closed_by=ClosedBy.QUIET, limits=limits, policies=policies, audits=EVERY_LINE)
    assert sorted(member for plan in audited for member in plan.members) == sorted(known)
    for plan in audited:
        assert {shadow.member for shadow in plan.shadows} <= set(plan.members)
        of = limits[plan.provider]
        asked = [*plan.members, *(shadow.member for shadow in plan.shadows)]
        if plan.transport is Transport.BATCH and plan.shadows:
            assert len(plan.lines) + len(plan.shadows) <= of.max_items
            assert sum(encoded_bytes(known[member]) for member in asked) <= of.max_bytes
            assert sum(estimated_tokens(known[member]) for member in asked) <= of.max_tokens


@pytest.mark.parametrize("strategy", ["per_round", "serial_bundle"])
@pytest.mark.parametrize("provider", ["openai", "google"])
def test_where_a_batch_takes_one_answer_schema_its_bundles_are_not_audited(provider: str, strategy: str) -> None:
    window = [pending(member, provider=provider, strategy=strategy) for member in members(9)]
    limits = {provider: JobLimits(100, 1_000_000, bundle_size=8, batch_bundle_size=8)}
    plans = cut(window, closed_by=ClosedBy.QUIET, limits=limits, policies={provider: POLICY}, audits=EVERY_LINE)
    audited = {len(line) for plan in plans for line in plan.lines for shadow in plan.shadows if shadow.member in line}
    assert audited == ({1} if (provider, strategy) == ("google", "per_round") else {1, 8})


def test_lines_without_audits_are_the_same_lines() -> None:
    window = [pending(member, strategy="serial_bundle", essays=(member.position % 3, 7)) for member in members(20)]
    limits, policies = {"openai": JobLimits(100, 1_000_000)}, {"openai": POLICY}
    (plain,) = cut(window, closed_by=ClosedBy.QUIET, limits=limits, policies=policies)
    (audited,) = cut(window, closed_by=ClosedBy.QUIET, limits=limits, policies=policies, audits=EVERY_LINE)
    assert plain.shadows == ()
    assert audited.lines == plain.lines
    assert {shadow.layout for shadow in audited.shadows} == {"shared_essays"}
    assert len(audited.shadows) == 3 * len(audited.lines)
