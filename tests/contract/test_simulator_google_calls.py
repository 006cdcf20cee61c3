"""Calls of the simulator's Gemini API that go wrong when it is told so: no answer, another model's, errors, limits."""

# ruff: noqa: F811 - fixtures are imported, and arguments bear their names

from typing import Any

import pytest

from simulator.control import SimulatorControl
from tests.contract.google_client import (  # noqa: F401 - the fixtures
    MODEL,
    Gemini,
    gemini,
    process,
    prompt,
    reasons,
    request,
)
from tests.harness.forked import forked_simulator

GENERATE = f"/v1beta/models/{MODEL}:generateContent"
LIST = ("GET", "/v1beta/batches")
ALL = {"pageSize": 100}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"fault": "refused"}, "SAFETY"),
        ({"fault": "refused", "reason": "RECITATION"}, "RECITATION"),
        ({"fault": "refused", "reason": "WORD_OF_TOMORROW"}, "WORD_OF_TOMORROW"),
    ],
)
def test_no_answer_for_a_reason(gemini: Gemini, simulator: SimulatorControl, fault: dict[str, Any], reason: str) -> None:
    simulator.faults({**fault, "next": 1})
    assert gemini.generate()["candidates"] == [{"finishReason": reason}]
    assert [item["outcome"] for item in simulator.items()] == ["refused"]


def test_a_blocked_prompt_has_no_candidates(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults({"fault": "blocked", "next": 1}, {"fault": "blocked", "next": 1, "reason": "BLOCKLIST"})
    for reason in ("PROHIBITED_CONTENT", "BLOCKLIST"):
        blocked = gemini.generate()
        assert blocked["promptFeedback"] == {"blockReason": reason}
        assert "candidates" not in blocked
        assert set(blocked["usageMetadata"]) == {"promptTokenCount", "totalTokenCount"}
    assert [item["outcome"] for item in simulator.items()] == ["refused", "refused"]


def test_the_limit_is_met_by_thoughts_alone(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults(fault="cut", next=1, variant="no_text")
    response = gemini.generate()
    assert response["candidates"] == [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]
    assert response["usageMetadata"]["thoughtsTokenCount"] == 2000
    assert "candidatesTokenCount" not in response["usageMetadata"]
    assert [item["outcome"] for item in simulator.items()] == ["cut"]


def test_another_model_answers_at_its_own_price(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults(
        {"fault": "other_model", "next": 1}, {"fault": "other_model", "next": 1, "model": "gemini-3.1-pro-preview"}
    )
    assert [gemini.generate()["modelVersion"] for _ in range(3)] == ["gemini-3.5-flash-lite", "gemini-3.1-pro-preview", MODEL]
    items = simulator.items()
    assert [item["model"] for item in items] == ["gemini-3.5-flash-lite", "gemini-3.1-pro-preview", MODEL]
    assert items[1]["cost_usd"] > items[0]["cost_usd"]


@pytest.mark.parametrize(
    ("fault", "status", "details"),
    [
        ({"status": 429}, "RESOURCE_EXHAUSTED", ["QuotaFailure", "Help", "RetryInfo"]),
        ({"status": 429, "variant": "per_day"}, "RESOURCE_EXHAUSTED", ["QuotaFailure", "Help", "RetryInfo"]),
        ({"status": 429, "variant": "bare"}, "RESOURCE_EXHAUSTED", []),
        ({"status": 400, "error_type": "FAILED_PRECONDITION"}, "FAILED_PRECONDITION", []),
        ({"status": 400, "variant": "api_key_invalid"}, "INVALID_ARGUMENT", ["ErrorInfo"]),
        ({"status": 403}, "PERMISSION_DENIED", []),
        ({"status": 500}, "INTERNAL", []),
        ({"status": 503}, "UNAVAILABLE", []),
        ({"status": 504}, "DEADLINE_EXCEEDED", []),
        ({"error_type": "overloaded_error"}, "UNAVAILABLE", []),
    ],
)
def test_failures_of_a_call(
    gemini: Gemini, simulator: SimulatorControl, fault: dict[str, Any], status: str, details: list[str]
) -> None:
    simulator.faults({"fault": "status", "next": 1, **fault})
    error = gemini.refused("POST", GENERATE, json=request())
    assert (error["status"], reasons(error)) == (status, details)
    assert simulator.ledger()["items_paid"] == 0


def test_what_a_limit_says(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.faults({"fault": "status", "status": 429, "next": 1, "retry_after_s": 21.5})
    failure, _, retry = gemini.refused("POST", GENERATE, json=request())["details"]
    assert "PerMinute" in failure["violations"][0]["quotaId"]
    assert retry["retryDelay"] == "22s"
    simulator.faults({"fault": "status", "status": 429, "next": 1, "variant": "per_day"})
    assert "PerDay" in gemini.refused("POST", GENERATE, json=request())["details"][0]["violations"][0]["quotaId"]


def test_what_a_model_does_not_take_can_be_set() -> None:
    refused = {"gemini-3.6-flash": ["temperature", "LOW", "thinkingBudget"]}
    with forked_simulator(refused_parameters=refused) as simulator:
        client = Gemini(simulator.base_url)
        path = "/v1beta/models/gemini-3.6-flash:generateContent"
        for config in (
            {"temperature": 0.5},
            {"thinkingConfig": {"thinkingLevel": "LOW"}},
            {"thinkingConfig": {"thinkingBudget": 100}},
        ):
            assert client.refused("POST", path, json=request(**config))["status"] == "INVALID_ARGUMENT"
            client.generate(request(**config))
        client.generate(request(thinkingConfig={"thinkingLevel": "MINIMAL"}), "gemini-3.6-flash")
        client.close()


def test_limits_a_minute_by_model(gemini: Gemini, simulator: SimulatorControl) -> None:
    simulator.limits(requests=2)
    for _ in range(2):
        assert gemini.ask("POST", GENERATE, json=request()).status_code == 200
    refused = gemini.ask("POST", GENERATE, json=request())
    assert not [name for name in refused.headers if "ratelimit" in name or name == "retry-after"]
    error = refused.json()["error"]
    assert error["details"][0]["violations"][0]["quotaId"] == "GenerateRequestsPerMinutePerProjectPerModel"
    assert 0 < int(error["details"][2]["retryDelay"].removesuffix("s")) <= 30
    assert gemini.generate(model="gemini-3.6-flash")["modelVersion"] == "gemini-3.6-flash"
    simulator.reset()
    simulator.limits(tokens=60)
    gemini.generate()
    error = gemini.refused("POST", GENERATE, json=request())
    assert error["details"][0]["violations"][0]["quotaId"] == "GenerateContentInputTokensPerModelPerMinute"


def test_a_long_prefix_is_cached(gemini: Gemini, simulator: SimulatorControl) -> None:
    text = prompt(more="word " * 4000)
    assert "cachedContentTokenCount" not in gemini.generate(request(text))["usageMetadata"]
    assert gemini.generate(request(text))["usageMetadata"]["cachedContentTokenCount"] == 4096
    assert simulator.items()[1]["cached_input_tokens"] == 4096
