"""OpenRouter's adapter over a transport in memory: what is sent, and what each answer means."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace

from domain.answer import Answer
from domain.reply import Cause, ErrorCode, Fault, Reply, ReplyKind, Retry, Usage, judge
from providers.openrouter.adapter import OpenRouterProvider
from providers.openrouter.wire import charged_usd
from providers.protocol import (
    AccountRefused,
    Ask,
    ContentRefused,
    OutcomeUnknown,
    PromptBlock,
    ProviderDown,
    ProviderError,
    Throttled,
)

ANSWER = json.dumps({"winner": "Essay B", "justification": "Clearer.", "confidence": 3})
ASK = Ask("job-1-0", "anthropic/claude-haiku-5.5", "Judge.", (PromptBlock("A or B?"),), 300)
USED = {"prompt_tokens": 100, "completion_tokens": 10, "cost": 0.002, "is_byok": False}


class Answers:
    """A transport that keeps what was sent, and gives these answers in turn: a status and a body."""

    def __init__(self) -> None:
        self.next: list[tuple[int, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.urls: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(json.loads(request.content))
        self.urls.append(str(request.url))
        status, body = self.next.pop(0)
        return httpx2.Response(status, json=body)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def open_one(answers: Answers) -> AsyncIterator[Callable[..., OpenRouterProvider]]:
    opened: list[OpenRouterProvider] = []

    def one(**more: Any) -> OpenRouterProvider:
        opened.append(OpenRouterProvider("key", transport=httpx2.MockTransport(answers), **more))
        return opened[-1]

    yield one
    for provider in opened:
        await provider.close()


@pytest.fixture
def provider(open_one: Callable[..., OpenRouterProvider]) -> OpenRouterProvider:
    return open_one()


def completion(text: str | None = ANSWER, finish: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return {"model": ASK.model, "provider": "Anthropic", "choices": [choice], "usage": USED, **more}


async def called(provider: OpenRouterProvider, ask: Ask = ASK) -> Reply:
    return await provider.call(ask, timeout_s=5)


async def test_it_is_asked_of_one_provider_that_keeps_nothing(provider: OpenRouterProvider, answers: Answers) -> None:
    answers.next = [(200, completion())]
    reply = await called(provider, replace(ASK, temperature=0.1, reasoning_effort="low"))
    assert isinstance(judge(reply), Answer)
    assert answers.urls == ["https://openrouter.ai/api/v1/chat/completions"]
    body = answers.sent[0]
    assert body["provider"] == {
        "only": ["anthropic"],
        "allow_fallbacks": False,
        "require_parameters": True,
        "data_collection": "deny",
        "zdr": True,
    }
    assert body["response_format"]["type"] == "json_schema"
    # An endpoint that does not list a parameter is not asked at all; Claude takes no temperature.
    assert (body["max_tokens"], body["reasoning_effort"]) == (300, "low")
    assert not {"max_completion_tokens", "temperature", "models", "route", "transforms", "plugins"} & set(body)


async def test_the_upstream_that_is_configured_is_the_only_one(
    open_one: Callable[..., OpenRouterProvider], answers: Answers
) -> None:
    answers.next = [(200, completion())]
    await called(open_one(upstream="amazon-bedrock"))
    assert answers.sent[0]["provider"]["only"] == ["amazon-bedrock"]


async def test_an_answer_with_what_it_cost(provider: OpenRouterProvider, answers: Answers) -> None:
    answers.next = [(200, completion())]
    reply = await called(provider)
    assert (reply.cost_usd, reply.usage) == (0.002, Usage(100, 10, raw=USED))


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"cost": 0.25}, 0.25),
        ({"cost": 0}, 0.0),
        ({"cost": 0.05, "is_byok": True, "cost_details": {"upstream_inference_cost": 1.0}}, 1.05),
        ({"cost": 0.05, "is_byok": False, "cost_details": {"upstream_inference_cost": 1.0}}, 0.05),
        ({"cost": 0.05, "is_byok": True}, None),  # the fee alone: the price list is nearer to the truth
        ({"cost": 10**400}, None),
        ({"cost": None}, None),
        ({"cost": -1}, None),
        ({"cost": "0.1"}, None),
        ({"cost": True}, None),
        ({"cost": float("inf")}, None),
        ({}, None),
    ],
)
def test_what_it_says_that_it_charged(usage: dict[str, Any], usd: float | None) -> None:
    assert charged_usd(usage) == usd


ERROR = {"code": 502, "message": "The provider broke off.", "metadata": {"error_type": "provider_unavailable"}}


@pytest.mark.parametrize(
    "body",
    [
        {"error": ERROR},
        {"error": ERROR, "usage": USED, "model": ASK.model},
        completion(choices=[{"error": ERROR, "finish_reason": None, "message": {"content": ""}}]),
        completion('{"winner": "Essay A", "just', finish="error"),
        completion(ANSWER, finish="error"),
        completion(ANSWER, error=ERROR),
    ],
)
async def test_an_error_in_a_200_is_an_error_with_the_use_that_it_names(
    provider: OpenRouterProvider, answers: Answers, body: dict[str, Any]
) -> None:
    answers.next = [(200, body)]
    reply = await called(provider)
    assert reply.kind is ReplyKind.ERRORED
    outcome = judge(reply)
    assert isinstance(outcome, Retry)
    assert (outcome.cause, outcome.code) == (Cause.OVERLOADED, ErrorCode.EXTERNAL_SERVICE_ERROR)
    named = "usage" in body
    assert (reply.usage.prompt_tokens, reply.cost_usd) == ((100, 0.002) if named else (0, None))


async def test_an_account_without_money_is_paused_wherever_it_is_said(provider: OpenRouterProvider, answers: Answers) -> None:
    error = {"code": 402, "message": "Insufficient credits"}
    answers.next = [(402, {"error": error}), (200, {"error": error}), (403, {"error": {**error, "code": 403}})]
    for code in (ErrorCode.QUOTA_EXCEEDED, ErrorCode.QUOTA_EXCEEDED, ErrorCode.AUTHENTICATION_ERROR):
        with pytest.raises(AccountRefused) as refused:
            await called(provider)
        assert refused.value.code == code


async def test_money_that_ran_out_after_an_answer_was_begun_is_booked(provider: OpenRouterProvider, answers: Answers) -> None:
    answers.next = [(200, completion("half", error={"code": 402, "message": "Insufficient credits"}))]
    reply = await called(provider)
    assert reply.cost_usd == 0.002
    assert isinstance(outcome := judge(reply), Retry)
    assert (outcome.cause, outcome.code) == (Cause.REFUSED_ACCOUNT, ErrorCode.QUOTA_EXCEEDED)


@pytest.mark.parametrize(
    ("status", "metadata", "expected"),
    [
        (401, {}, AccountRefused),
        (402, {}, AccountRefused),
        (403, {}, AccountRefused),
        (403, {"error_type": "permission_denied"}, AccountRefused),
        (408, {}, OutcomeUnknown),
        (429, {"error_type": "rate_limit_exceeded"}, Throttled),
        (429, {}, Throttled),
        (500, {"error_type": "server"}, ProviderDown),
        (502, {}, ProviderDown),
        (502, {"error_type": "provider_unavailable"}, ProviderDown),
        (503, {}, ProviderDown),
        (503, {"error_type": "provider_overloaded"}, Throttled),
        (504, {}, OutcomeUnknown),
        (400, {"error_type": "payment_required"}, AccountRefused),
    ],
)
async def test_a_failed_call(
    provider: OpenRouterProvider, answers: Answers, status: int, metadata: dict[str, Any], expected: type[ProviderError]
) -> None:
    answers.next = [(status, {"error": {"code": status, "message": "No.", "metadata": metadata}})]
    with pytest.raises(expected) as failed:
        await called(provider)
    assert type(failed.value) is expected
    assert len(answers.sent) == 1


@pytest.mark.parametrize(
    ("status", "metadata", "ending"),
    [
        (403, {"reasons": ["violence"], "flagged_input": "…"}, Retry),  # the content's fault: the account is not paused
        (400, {"error_type": "context_length_exceeded"}, Retry),
        (403, {"error_type": "content_policy_violation"}, Retry),
        (404, {}, Fault),
        (413, {"error_type": "payload_too_large"}, Fault),
        (413, {}, Fault),
    ],
)
async def test_what_is_the_contents_fault_is_a_reply(
    provider: OpenRouterProvider, answers: Answers, status: int, metadata: dict[str, Any], ending: type[Fault | Retry]
) -> None:
    answers.next = [(status, {"error": {"code": status, "message": "No.", "metadata": metadata}})]
    outcome = judge(await called(provider))
    assert isinstance(outcome, ending)
    assert outcome.code is ErrorCode.INVALID_REQUEST


async def test_parameters_that_nobody_takes_are_left_out_one_after_another(
    provider: OpenRouterProvider, answers: Answers
) -> None:
    refused = (404, {"error": {"code": 404, "message": "No endpoints found that can handle the requested parameters."}})
    answers.next = [refused, refused, (200, completion(model="acme/judge-1"))]
    ask = replace(ASK, model="acme/judge-1", temperature=0.1, reasoning_effort="low")
    for parameter in ("temperature", "reasoning_effort"):
        reply = await called(provider, ask)
        assert reply.parameter == parameter
        assert isinstance(outcome := judge(reply), Retry)
        assert outcome.cause is Cause.PARAMETER
    assert isinstance(judge(await called(provider, ask)), Answer)
    assert not {"temperature", "reasoning_effort"} & set(answers.sent[-1])


async def test_without_an_optional_parameter_it_is_the_model_that_nobody_offers(
    provider: OpenRouterProvider, answers: Answers
) -> None:
    answers.next = [(404, {"error": {"code": 404, "message": "No endpoints found that can handle the requested parameters."}})]
    assert isinstance(judge(await called(provider)), Fault)


async def test_a_batch_is_refused_in_words(provider: OpenRouterProvider, answers: Answers) -> None:
    with pytest.raises(ContentRefused, match=r"openrouter takes no batch jobs.*serial_bundle or per_request"):
        await provider.create("job-1", [ASK], start=lambda: True, timeout_s=5)
    with pytest.raises(ContentRefused):
        _ = [reply async for reply in provider.replies("batch_1")]
    for verb in (provider.look, provider.cancel, provider.owner):
        with pytest.raises(ContentRefused):
            await verb("batch_1")
    with pytest.raises(ContentRefused):
        await provider.candidates(0)
    assert await provider.orphan_files(0) == ()
    assert not answers.sent
