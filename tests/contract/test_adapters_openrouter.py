"""OpenRouter's adapter against the simulator: its routing, errors inside a 200, costs, and models that stand in."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from msgspec.structs import replace

from domain.answer import Answer
from domain.model_names import is_same_model
from domain.reply import Cause, ErrorCode, ReplyKind, Retry, judge, judge_bundle
from providers.openrouter.adapter import OpenRouterProvider
from providers.openrouter.wire import completion_body
from providers.protocol import AccountRefused, OutcomeUnknown, Provider, ProviderDown, ProviderError, Throttled
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import LONG_S, MODELS, Counts, ask_of

MODEL = MODELS["openrouter"]


@pytest.fixture
def kind() -> str:
    return "openrouter"


async def test_the_ledger_has_what_the_answer_says_it_cost(provider: Provider, simulator: SimulatorControl) -> None:
    replies = [await provider.call(ask_of("openrouter", number), timeout_s=LONG_S) for number in range(3)]
    ledger = simulator.ledger()
    assert sum(reply.cost_usd or 0.0 for reply in replies) == pytest.approx(ledger["cost_usd"])
    assert ledger["http_by_endpoint"] == {"openrouter.chat.completions.create": 3}
    assert {item["provider"] for item in simulator.items()} == {"openrouter"}


def asked(simulator: SimulatorControl, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Status and JSON of a request without the adapter."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": "Bearer good-key", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{simulator.openrouter_url}/{path}", data, headers)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_the_simulator_answers_only_what_goes_to_one_provider_that_keeps_nothing(simulator: SimulatorControl) -> None:
    good: dict[str, Any] = completion_body(ask_of("openrouter"), "")
    routing = good.pop("extra_body")["provider"]
    assert asked(simulator, "chat/completions", good | {"provider": routing})[0] == 200
    for wrong in (
        {},
        {"provider": routing | {"zdr": False}},
        {"provider": routing | {"allow_fallbacks": True}},
        {"provider": routing | {"only": ["anthropic", "azure"]}},
        {"provider": {name: value for name, value in routing.items() if name != "require_parameters"}},
        {"provider": routing, "model": f"{MODEL}:free"},
        {"provider": routing, "model": "openrouter/auto"},
    ):
        status, answer = asked(simulator, "chat/completions", good | wrong)
        assert (status, answer["error"]["code"]) == (400, 400), wrong
    for listed_by_nobody in ({"models": [MODEL]}, {"max_completion_tokens": 300}, {"plugins": []}):
        assert asked(simulator, "chat/completions", good | {"provider": routing} | listed_by_nobody)[0] == 404
    status, answer = asked(simulator, "key")
    assert (status, answer["data"]["usage"]) == (200, simulator.ledger()["cost_usd"])


@pytest.mark.parametrize("variant", ["top", "choice", "finish"])
async def test_an_error_in_a_200_is_no_answer_and_what_it_names_is_booked(
    provider: Provider, simulator: SimulatorControl, counts: Counts, variant: str
) -> None:
    simulator.faults(fault="error_in_200", variant=variant, status=502, next=1)
    reply = await provider.call(ask_of("openrouter"), timeout_s=LONG_S)
    assert reply.kind is ReplyKind.ERRORED
    assert isinstance(verdict := judge(reply), Retry)
    assert verdict.cause is Cause.OVERLOADED
    assert (reply.cost_usd or 0.0) == pytest.approx(simulator.ledger()["cost_usd"])
    assert bool(reply.cost_usd) is (variant != "top")
    assert dict(counts.http) == {("chat.completions.create", "200"): 1}
    assert isinstance(judge(await provider.call(ask_of("openrouter"), timeout_s=LONG_S)), Answer)


async def test_an_account_without_money_is_told_in_a_200_too(provider: Provider, simulator: SimulatorControl) -> None:
    simulator.faults(fault="error_in_200", variant="top", status=402, next=1)
    with pytest.raises(AccountRefused) as refused:
        await provider.call(ask_of("openrouter"), timeout_s=LONG_S)
    assert refused.value.code == ErrorCode.QUOTA_EXCEEDED


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 402}, AccountRefused),
        ({"status": 403}, AccountRefused),
        ({"status": 408}, OutcomeUnknown),
        ({"status": 502}, ProviderDown),
        ({"status": 503}, ProviderDown),
        ({"status": 503, "error_type": "provider_overloaded", "retry_after_s": 2}, Throttled),
    ],
)
async def test_a_failed_call(
    provider: Provider, simulator: SimulatorControl, fault: dict[str, Any], expected: type[ProviderError]
) -> None:
    simulator.faults({"fault": "status", "next": 1, **fault})
    with pytest.raises(expected) as failed:
        await provider.call(ask_of("openrouter"), timeout_s=LONG_S)
    assert type(failed.value) is expected
    if isinstance(failed.value, Throttled):
        assert failed.value.retry_after_s == 2


async def test_a_moderated_text_is_the_contents_fault(provider: Provider, simulator: SimulatorControl) -> None:
    simulator.faults(fault="status", status=403, code="moderation", next=1)
    reply = await provider.call(ask_of("openrouter"), timeout_s=LONG_S)
    assert isinstance(verdict := judge(reply), Retry)
    assert (verdict.cause, verdict.code) == (Cause.REFUSED_ALONE, ErrorCode.INVALID_REQUEST)


async def test_an_answer_names_the_model_that_gave_it(provider: Provider, simulator: SimulatorControl) -> None:
    asked = ask_of("openrouter")
    dated = await provider.call(asked, timeout_s=LONG_S)
    assert dated.model != MODEL
    assert is_same_model(MODEL, dated.model)
    simulator.faults(fault="other_model", model="openai/gpt-6-luna", next=1)
    other = await provider.call(asked, timeout_s=LONG_S)
    assert isinstance(judge(other), Answer)
    assert not is_same_model(MODEL, other.model)
    assert is_same_model("openai/gpt-6-luna", other.model)


async def test_a_bundle_is_answered(provider: Provider) -> None:
    asked = replace(ask_of("openrouter", max_tokens=1_000), answers=4)
    assert all(isinstance(verdict, Answer) for verdict in judge_bundle(await provider.call(asked, timeout_s=LONG_S), 4))


async def test_a_provider_that_does_not_offer_the_model_is_not_replaced(simulator: SimulatorControl) -> None:
    provider = OpenRouterProvider("good-key", upstream="azure", base_url=simulator.openrouter_url)
    reply = await provider.call(ask_of("openrouter"), timeout_s=LONG_S)
    await provider.close()
    assert (reply.kind, reply.http_status) == (ReplyKind.ERRORED, 404)
    assert simulator.ledger()["items_paid"] == 0


async def test_parameters_that_nobody_takes_are_found_out(provider: Provider, counts: Counts) -> None:
    """gpt-4o refuses an effort and a verbosity: the temperature is taken for the cause first, and left out in vain."""
    asked = ask_of("openrouter", model="openai/gpt-4o", temperature=0.1, reasoning_effort="low", output_verbosity="low")
    found = [await provider.call(asked, timeout_s=LONG_S) for _ in range(4)]
    assert [reply.parameter for reply in found] == ["temperature", "output_verbosity", "reasoning_effort", ""]
    assert isinstance(judge(found[-1]), Answer)
