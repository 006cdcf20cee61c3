"""A bundle's reply: each item judged by itself, whatever the text looks like, cut anywhere; its cost shared out exactly."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.answer import Answer, bundle_keys, read_bundle
from domain.reply import Cause, ErrorCode, Fault, Reply, ReplyKind, Retry, Stop, Usage, judge, judge_bundle, usage_by_member

GOOD = {"winner": "Essay A", "justification": 'Clearer, "surer" {language}, smörgås.', "confidence": 4.5}
ANSWER = Answer("Essay A", GOOD["justification"], 4.5)  # type: ignore[arg-type]
BAD: dict[str, Any] = {**GOOD, "winner": "Essay C"}


def text_of(size: int, **changes: Any) -> str:
    """A bundle of good answers, but for the keys in `changes`; None leaves a key out."""
    values = dict.fromkeys(bundle_keys(size), GOOD) | changes
    return json.dumps({key: value for key, value in values.items() if value is not None})


def reply(text: str = "", **changes: Any) -> Reply:
    return replace(Reply("job-1-0", ReplyKind.SUCCEEDED, text=text), **changes)


def causes(verdicts: tuple[Answer | Retry | Fault, ...]) -> list[str]:
    return [verdict.cause.value if isinstance(verdict, Retry) else type(verdict).__name__ for verdict in verdicts]


def test_keys_have_two_digits_up_to_64() -> None:
    assert bundle_keys(1) == ("c01",)
    assert bundle_keys(64)[9:11] == ("c10", "c11")
    assert bundle_keys(64)[-1] == "c64"
    for size in (0, 65):
        with pytest.raises(ValueError, match=f"{size} comparisons.*64"):
            bundle_keys(size)


def test_every_item_is_judged_by_itself() -> None:
    verdicts = judge_bundle(reply(text_of(12, c03=BAD, c07=None)), 12)
    assert [number for number, verdict in enumerate(verdicts, 1) if verdict != ANSWER] == [3, 7]
    assert causes(verdicts)[2] == causes(verdicts)[6] == "unusable"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"c02": BAD, "c01": GOOD}), ["Answer", "unusable"]),  # another order
        (json.dumps({"c01": GOOD, "note": "!", "c02": GOOD, "c03": GOOD}), ["Answer", "Answer"]),  # more than was asked for
        (json.dumps({"C01": GOOD, " c02 ": GOOD}), ["Answer", "Answer"]),  # another letter case
        (json.dumps({"c01": GOOD, "C01": GOOD, "c02": GOOD}), ["unusable", "Answer"]),  # which of the two?
        (f'{{"c01": {json.dumps(GOOD)}, "c02": {json.dumps(GOOD)}, "c01": {json.dumps(GOOD)}}}', ["unusable", "Answer"]),
        ('{"c01": {"winner": "Essay A", "winner": "Essay B", "justification": "x", "confidence": 2}}', ["unusable"] * 2),
        (json.dumps({"c1": GOOD, "c02": GOOD}), ["unusable", "Answer"]),
        (json.dumps([GOOD, GOOD]), ["unusable"] * 2),
        (json.dumps({"c01": [GOOD], "c02": "Essay A"}), ["unusable"] * 2),
        (json.dumps({"c01": GOOD, "c02": GOOD}) + " Both are close.", ["unusable"] * 2),
        (json.dumps({"c01": GOOD, "c02": GOOD}) * 2, ["unusable"] * 2),
        ("  \n" + json.dumps({"c01": GOOD, "c02": GOOD}, indent=2) + "\n", ["Answer", "Answer"]),
        (f'{{"c01": {json.dumps(GOOD)} "c02": {json.dumps(GOOD)}}}', ["Answer", "unusable"]),  # broken in the middle
        (f'{{"c01": {json.dumps(GOOD)}, "c02": {"[" * 100_000}', ["Answer", "unusable"]),
        (json.dumps({"c01": GOOD, "c02": {**GOOD, "confidence": 0}}), ["Answer", "unusable"]),
        ("{}", ["unusable"] * 2),
        ("{,}", ["unusable"] * 2),
        ("{1: 2}", ["unusable"] * 2),
        ("", ["unusable"] * 2),
        ("I cannot decide.", ["unusable"] * 2),
    ],
)
def test_odd_texts(text: str, expected: list[str]) -> None:
    assert causes(judge_bundle(reply(text), 2)) == expected


def test_what_is_missing_is_told_from_what_cannot_be_read() -> None:
    missing, broken = (judge_bundle(reply(text), 2)[1] for text in (text_of(2, c02=None), text_of(2)[:-90]))
    assert isinstance(missing, Retry)
    assert isinstance(broken, Retry)
    assert (missing.code, broken.code) == (ErrorCode.INVALID_RESPONSE, ErrorCode.PARSING_ERROR)


TEXT = text_of(3, c02={**GOOD, "confidence": 45e-1})
ENDS = [TEXT.index(', "c02"'), TEXT.index(', "c03"'), len(TEXT) - 1]  # behind each item's last brace


@given(st.integers(0, len(TEXT)))
@example(len(TEXT) - 1)
def test_a_cut_bundle_keeps_exactly_the_items_that_are_complete(at: int) -> None:
    verdicts = judge_bundle(reply(TEXT[:at], stop=Stop.CUT), 3)
    complete = sum(at >= end for end in ENDS)
    assert verdicts[:complete] == (ANSWER,) * complete
    assert causes(verdicts[complete:]) == ["cut"] * (3 - complete)


def test_a_number_that_may_be_cut_is_never_taken() -> None:
    whole = '{"c01": {"winner": "Essay A", "justification": "x", "confidence": 4'
    assert causes(judge_bundle(reply(whole, stop=Stop.CUT), 2)) == ["cut", "cut"]
    assert causes(judge_bundle(reply(whole + "}", stop=Stop.CUT), 2)) == ["Answer", "cut"]
    assert causes(judge_bundle(reply(text_of(2, c01=BAD)[:-5], stop=Stop.CUT), 2)) == ["unusable", "cut"]


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")), st.sampled_from([Stop.END, Stop.CUT]))
def test_no_text_makes_an_answer_that_it_does_not_hold(text: str, stop: Stop) -> None:
    assert "Answer" not in causes(judge_bundle(reply(text, stop=stop), 2))


JSON_VALUES = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner))


@given(st.dictionaries(st.sampled_from([*bundle_keys(3), "C01", "x"]), JSON_VALUES | st.just(GOOD)))
def test_an_answer_stands_only_under_its_own_key(values: dict[str, Any]) -> None:
    verdicts = judge_bundle(reply(json.dumps(values)), 3)
    lowered = [key.lower() for key in values]
    for key, verdict in zip(bundle_keys(3), verdicts, strict=True):
        own = [value for name, value in values.items() if name.lower() == key]
        assert isinstance(verdict, Answer) == (own == [GOOD] and lowered.count(key) == 1)


def test_a_refused_bundle_is_not_one_members_fault() -> None:
    assert causes(judge_bundle(reply(stop=Stop.REFUSAL), 3)) == ["bundle_refused"] * 3


@pytest.mark.parametrize(
    ("came", "cause"),
    [
        (reply(kind=ReplyKind.EXPIRED), "expired"),
        (reply(kind=ReplyKind.CANCELED), "canceled"),
        (reply(kind=ReplyKind.ERRORED, error_type="overloaded_error"), "overloaded"),
        (reply(kind=ReplyKind.ERRORED, error_type="billing_error"), "refused_account"),
        (reply(kind=ReplyKind.ERRORED, error_type="invalid_request_error"), "refused_content"),
        (reply(kind=ReplyKind.ERRORED, http_status=413), "refused_content"),
    ],
)
def test_what_befalls_the_line_befalls_each_member(came: Reply, cause: str) -> None:
    assert causes(judge_bundle(came, 3)) == [cause] * 3


@pytest.mark.parametrize(
    "came",
    [
        reply(json.dumps(GOOD)),
        reply(stop=Stop.REFUSAL),
        reply(json.dumps(GOOD), stop=Stop.CUT),
        reply(text_of(1)),
        reply(kind=ReplyKind.ERRORED, http_status=400),
        reply(kind=ReplyKind.EXPIRED),
    ],
)
def test_one_comparison_alone_is_judged_as_ever(came: Reply) -> None:
    assert judge_bundle(came, 1) == (judge(came),)
    assert not {Cause.CUT.value, Cause.BUNDLE_REFUSED.value} & set(causes(judge_bundle(came, 1)))


def test_read_bundle_says_whether_the_text_is_whole() -> None:
    assert read_bundle(text_of(2), bundle_keys(2)).whole
    assert not read_bundle(text_of(2)[:-1], bundle_keys(2)).whole


WEIGHTS = st.lists(st.integers(0, 20_000), min_size=1, max_size=64)
TOKENS = st.integers(0, 2_000_000)
USAGES = st.builds(
    Usage,
    TOKENS,
    TOKENS,
    TOKENS,
    TOKENS,
    st.none() | st.fixed_dictionaries({"input_tokens": TOKENS, "details": st.fixed_dictionaries({"cached_tokens": TOKENS})}),
)


@given(USAGES, st.floats(0, allow_infinity=False), WEIGHTS)
@example(Usage(1), 5e-324, [1, 2])
@example(Usage(1), 2.0**-1022, [1, 2, 3])
def test_the_parts_add_up_exactly_to_the_whole(usage: Usage, cost_usd: float, weights: list[int]) -> None:
    parts = usage_by_member(usage, cost_usd, weights)
    costs = [cost for _, cost in parts]
    assert len(parts) == len(weights)
    assert sum(costs) == sum(reversed(costs)) == math.fsum(costs) == cost_usd
    for name in ("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_creation_tokens"):
        assert sum(getattr(part, name) for part, _ in parts) == getattr(usage, name)
    cached = usage.cache_read_tokens + usage.cache_creation_tokens
    for part, cost in parts:
        assert cost >= 0
        if cached <= usage.prompt_tokens:
            assert part.prompt_tokens >= part.cache_read_tokens + part.cache_creation_tokens
    if usage.raw is not None:
        raws = [part.raw or {} for part, _ in parts]
        assert sum(raw["input_tokens"] for raw in raws) == usage.raw["input_tokens"]
        assert sum(raw["details"]["cached_tokens"] for raw in raws) == usage.raw["details"]["cached_tokens"]


@given(WEIGHTS, TOKENS)
def test_no_part_is_off_by_a_token(weights: list[int], tokens: int) -> None:
    whole = sum(weights)
    for weight, (usage, _) in zip(weights, usage_by_member(Usage(0, tokens), 0.0, weights), strict=True):
        exact = tokens * weight / whole if whole else tokens / len(weights)
        assert abs(usage.completion_tokens - exact) < 1 + 1e-6


def test_shares_of_an_example() -> None:
    raw = {"input_tokens": 10, "cache": {"read": 4}, "tier": "standard", "none": None, "flag": True}
    (a, cost_a), (b, cost_b) = usage_by_member(Usage(14, 7, 4, 0, raw), 0.3, [1, 3])
    assert (a.prompt_tokens, b.prompt_tokens) == (4, 10)
    assert (a.completion_tokens, b.completion_tokens) == (2, 5)
    assert a.raw == {"input_tokens": 3, "cache": {"read": 1}, "tier": "standard", "none": None, "flag": True}
    assert (cost_a, cost_b) == (pytest.approx(0.075), pytest.approx(0.225))


@pytest.mark.parametrize(("cost", "weights"), [(1.0, []), (1.0, [1, -1]), (-1.0, [1]), (math.inf, [1]), (math.nan, [1])])
def test_what_cannot_be_shared(cost: float, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot share"):
        usage_by_member(Usage(1), cost, weights)


def test_a_cost_inside_the_providers_usage_is_divided_too() -> None:
    usage = Usage(10, 4, raw={"cost": 0.3, "cost_details": {"upstream_inference_cost": 0.2}, "is_byok": True, "none": 0.0})
    raws = [part.raw or {} for part, _ in usage_by_member(usage, 0.5, [1, 2, 4])]
    assert sum(raw["cost"] for raw in raws) == 0.3
    assert sum(raw["cost_details"]["upstream_inference_cost"] for raw in raws) == 0.2
    assert [(raw["is_byok"], raw["none"]) for raw in raws] == [(True, 0.0)] * 3
