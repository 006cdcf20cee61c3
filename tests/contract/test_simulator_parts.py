"""The simulator's rules without HTTP: what request bodies may hold, how it judges, counts and lets time pass."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import genai_prices
import pytest
from starlette.testclient import TestClient

from simulator.anthropic_requests import read_params
from simulator.clock import ManualClock
from simulator.errors import ApiError
from simulator.judge import Pair, find_pairs, judge
from simulator.limits import LimitBook, Limiter, Limits, duration
from simulator.openai_requests import read_body
from simulator.prices import NEW_YEAR, PRICES, Usage, batch_cost_usd, estimated_tokens, single_cost_usd
from simulator.server import create_app
from simulator.settings import SimulatorSettings

ANTHROPIC: dict[str, Any] = {
    "model": "claude-haiku-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}
OPENAI: dict[str, Any] = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Hello"}]}
VERDICT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "winner": {"type": "string", "enum": ["Essay A", "Essay B"]},
        "justification": {"type": "string"},
        "confidence": {"type": "number"},
    },
    "required": ["winner", "justification", "confidence"],
    "additionalProperties": False,
}


def pair_text(n: int, a: float, b: float) -> str:
    return f"**Essay A (ID: a{n}):**\n[quality:{a}]\n\n**Essay B (ID: b{n}):**\n[quality:{b}]"


@pytest.mark.parametrize(
    "change",
    [
        {"temprature": 1},
        {"temperature": 1},
        {"top_p": 1},
        {"top_k": 1},
        {"workspace_id": "w"},
        {"stream": True},
        {"tools": []},
        {"max_tokens": 0},
        {"max_tokens": "100"},
        {"messages": []},
        {"messages": [{"role": "user", "content": "Hi", "name": "x"}]},
        {"messages": [{"role": "tool", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "colour": 1}]}]},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "{"}]},
        {"system": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "2h"}}]},
        {"system": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "size": 1}}]},
        {"output_config": {"format": {"type": "json_schema"}}},
        {"output_config": {"format": {"type": "json_schema", "schema": VERDICT, "name": "v"}}},
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        {"output_config": {"effort": "enormous"}},
        {"metadata": {"job": "1"}},
    ],
    ids=lambda change: json.dumps(change)[:40],
)
def test_anthropic_body_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        read_params({**ANTHROPIC, **change})
    assert refused.value.status == 400
    assert next(iter(change)) in refused.value.message or "messages" in change


def test_anthropic_cache_lifetimes_go_from_long_to_short() -> None:
    def block(ttl: str) -> dict[str, Any]:
        return {"type": "text", "text": "Rules.", "cache_control": {"type": "ephemeral", "ttl": ttl}}

    read_params({**ANTHROPIC, "system": [block("1h"), block("5m")]})
    with pytest.raises(ApiError, match="must not come after"):
        read_params({**ANTHROPIC, "system": [block("5m"), block("1h")]})


@pytest.mark.parametrize(
    "change",
    [
        {"temprature": 1},
        {"temperature": 2.1},
        {"cache_control": {"type": "ephemeral"}},
        {"stream": True},
        {"n": 2},
        {"max_tokens": 5, "max_completion_tokens": 5},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {}}]}]},
        {"messages": [{"role": "user", "content": "Hi", "colour": 1}]},
        {"reasoning_effort": "enormous"},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "v", "strict": True}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": VERDICT}}},
        {"response_format": {"type": "json_schema", "schema": VERDICT}},
    ],
    ids=lambda change: json.dumps(change)[:40],
)
def test_openai_body_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        read_body({**OPENAI, **change})
    assert refused.value.status == 400


@pytest.mark.parametrize("missing", ["model", "max_tokens", "messages"])
def test_required_fields(missing: str) -> None:
    with pytest.raises(ApiError, match=missing):
        read_params({name: value for name, value in ANTHROPIC.items() if name != missing})


def test_prompt_sha256_is_that_of_the_blocks_joined_by_a_blank_line() -> None:
    blocks = [{"type": "text", "text": text} for text in ("one", "two")]
    as_blocks = read_params({**ANTHROPIC, "messages": [{"role": "user", "content": blocks}]})
    as_string = read_params({**ANTHROPIC, "messages": [{"role": "user", "content": "one\n\ntwo"}]})
    assert as_blocks.sha256 == as_string.sha256


def test_pairs_are_found_in_order() -> None:
    text = "Intro\n\n" + "\n\n".join(pair_text(n, 0.2, 0.8) for n in range(3)) + "\n\nAnswer."
    pairs = find_pairs(text)
    assert [(pair.a_id, pair.b_id) for pair in pairs] == [("a0", "b0"), ("a1", "b1"), ("a2", "b2")]
    assert "[quality:0.2]" in pairs[1].a_text
    assert "a2" not in pairs[1].b_text


def test_judge_picks_the_better_and_errs_as_often_as_told() -> None:
    def winner(n: int, a: float, b: float, rate: float, seed: int = 1) -> str:
        return judge(Pair(f"a{n}", f"[quality:{a}]", f"b{n}", f"[quality:{b}]"), seed=seed, error_rate=rate).winner

    assert {winner(n, 0.9, 0.1, 0.0) for n in range(50)} == {"A"}
    assert {winner(n, 0.1, 0.9, 0.0) for n in range(50)} == {"B"}
    errors = [winner(n, 0.9, 0.1, 0.05) for n in range(2000)].count("B")
    assert 60 <= errors <= 140
    assert [winner(n, 0.9, 0.1, 0.3) for n in range(99)] == [winner(n, 0.9, 0.1, 0.3) for n in range(99)]
    assert [winner(n, 0.9, 0.1, 0.3) for n in range(99)] != [winner(n, 0.9, 0.1, 0.3, seed=2) for n in range(99)]


def test_confidence_grows_with_the_difference() -> None:
    def confidence(a: float, b: float) -> int:
        return judge(Pair("a", f"[quality:{a}]", "b", f"[quality:{b}]"), seed=1, error_rate=0).confidence

    assert [confidence(0.5, 0.5), confidence(0.5, 0.75), confidence(0.2, 0.9)] == [1, 3, 5]


def test_costs() -> None:
    assert estimated_tokens(1) == 1
    assert estimated_tokens(8) == 2
    assert single_cost_usd("claude-haiku-5-5", Usage(1_000, 100)) == pytest.approx(0.00015)
    assert single_cost_usd("claude-haiku-5-5", Usage(200_000, 0)) == pytest.approx(0.1)
    assert single_cost_usd("gpt-6.1-terra", Usage(2_000, 0, cache_read=1_000)) == pytest.approx(0.00105)


def test_token_bucket_refills_evenly() -> None:
    limiter = Limiter(Limits(60))
    assert [limiter.admit(10, 100.0) for _ in range(60)] == [0.0] * 60
    assert limiter.admit(10, 100.0) == pytest.approx(1.0)
    assert limiter.admit(10, 101.0) == 0.0
    assert limiter.openai_headers(101.0)["x-ratelimit-reset-requests"] == "1m0s"
    assert [duration(s) for s in (0.12, 1.5, 360.0)] == ["120ms", "1.5s", "6m0s"]


def test_output_is_owed_when_more_is_made_than_was_left() -> None:
    limiter = Limiter(Limits(output_tokens=60))
    assert [limiter.admit(10, 100.0) for _ in range(3)] == [0.0] * 3  # nothing of it is counted yet
    for _ in range(3):
        limiter.answered(40, 100.0)
    assert limiter.admit(10, 100.0) == pytest.approx(61.0)  # 60 owed, and one to begin with
    assert limiter.anthropic_headers(100.0)["anthropic-ratelimit-output-tokens-remaining"] == "0"
    assert limiter.admit(10, 161.0) == 0.0


def test_limits_change_while_they_run_and_a_minute_may_be_short() -> None:
    book = LimitBook(Limits(requests=60, minute_s=6.0))
    limiter = book.of("openai", "w", "m")
    assert book.of("openai", "w", "other") is not limiter
    assert [limiter.admit(0, 100.0) for _ in range(50)] == [0.0] * 50
    book.change(100.0, requests=6)
    assert book.of("openai", "w", "m").requests.limit == 6
    assert [limiter.admit(0, 100.0) for _ in range(6)] == [0.0] * 6
    assert limiter.admit(0, 100.0) == pytest.approx(1.0)
    book.change(100.0, requests=600)
    assert limiter.admit(0, 100.0) == pytest.approx(0.01)  # filled from where it stood


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def http(clock: ManualClock) -> Iterator[TestClient]:
    settings = SimulatorSettings(latency_s=2.0, batch_duration_s=600, judge_error_rate=0.0)
    with TestClient(create_app(settings, clock)) as client:
        client.headers.update({"x-api-key": "k", "anthropic-version": "2026-10-21", "authorization": "Bearer k"})
        yield client


def test_time_is_injected(http: TestClient, clock: ManualClock) -> None:
    requests = [{"custom_id": "a", "params": ANTHROPIC}]
    batch = http.post("/v1/messages/batches", json={"requests": requests}).json()
    path = f"/v1/messages/batches/{batch['id']}"
    clock.advance(599)
    assert http.get(path).json()["processing_status"] == "in_progress"
    clock.advance(1)
    ended = http.get(path).json()
    assert ended["processing_status"] == "ended"
    assert http.get("/_sim/items").json()[0]["at"] == clock.now()


def test_a_bundle_is_answered_pair_by_pair(http: TestClient) -> None:
    keys = ("c01", "c02", "c03")
    schema = {
        "type": "object",
        "properties": {key: {"$ref": "#/$defs/verdict"} for key in keys},
        "required": list(keys),
        "additionalProperties": False,
        "$defs": {"verdict": VERDICT},
    }
    text = "\n\n".join((pair_text(1, 0.9, 0.1), pair_text(2, 0.1, 0.9), pair_text(3, 0.8, 0.2)))
    body = {
        **ANTHROPIC,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": text}],
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
    }
    answer = json.loads(http.post("/v1/messages", json=body).json()["content"][0]["text"])
    assert [answer[key]["winner"] for key in keys] == ["Essay A", "Essay B", "Essay A"]


def test_models_go_by_headers(http: TestClient) -> None:
    assert http.get("/v1/models").json()["data"][0]["id"].startswith("claude")
    headers = {"authorization": "Bearer k"}
    http.headers.clear()
    assert http.get("/v1/models", headers=headers).json()["data"][0]["id"].startswith("gpt")


def test_body_that_is_no_json(http: TestClient) -> None:
    for path in ("/v1/messages", "/v1/messages/batches", "/v1/chat/completions", "/v1/batches"):
        assert http.post(path, content=b"{").status_code == 400


@pytest.mark.parametrize("model", list(PRICES))
def test_prices_are_those_of_genai_prices(model: str) -> None:
    usage = genai_prices.Usage(input_tokens=2_000, output_tokens=100, cache_read_tokens=500)
    ours, at = Usage(2_000, 100, cache_read=500), time.time()
    theirs = genai_prices.calc_price(usage, model, provider_id=PRICES[model].provider)
    assert single_cost_usd(model, ours, at) == pytest.approx(float(theirs.total_price))
    batch = {"processing": "batch"}
    theirs = genai_prices.calc_price(usage, model, provider_id=PRICES[model].provider, price_context=batch)
    assert batch_cost_usd(model, ours, at) == pytest.approx(float(theirs.total_price))


@pytest.mark.parametrize("model", [name for name, price in PRICES.items() if price.provider == "google"])
def test_google_prices_after_the_new_year(model: str) -> None:
    usage, at = genai_prices.Usage(input_tokens=2_000, output_tokens=100), datetime.fromtimestamp(NEW_YEAR + 1, UTC)
    theirs = genai_prices.calc_price(usage, model, provider_id="google", genai_request_timestamp=at)
    assert single_cost_usd(model, Usage(2_000, 100), at.timestamp()) == pytest.approx(float(theirs.total_price))
