"""Single calls by all adapters, with the real SDKs where there are any, against the simulator."""

from typing import Any

import pytest

from domain.answer import Answer
from domain.model_names import is_same_model
from domain.providers import PROVIDERS
from domain.reply import ErrorCode, Fault, ReplyKind, Retry, Stop, judge
from providers.prices import LISTED
from providers.protocol import (
    AccountRefused,
    OutcomeUnknown,
    Provider,
    ProviderDown,
    ProviderError,
    Throttled,
)
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import ADAPTERS, LONG_S, MODELS, Counts, Open, ask_of, run
from tests.waiting import NO_ANSWER_S

OPERATIONS = {
    "anthropic": "messages.create",
    "openai": "chat.completions.create",
    "google": "models.generate_content",
    "openrouter": "chat.completions.create",
}


@pytest.fixture(params=list(OPERATIONS))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class TestCall:
    async def test_an_answer(self, provider: Provider, kind: str, simulator: SimulatorControl, counts: Counts) -> None:
        reply = await provider.call(ask_of(kind, 4), timeout_s=LONG_S)
        answer = judge(reply)
        assert isinstance(answer, Answer)
        assert answer.winner == "Essay B"
        assert reply.custom_id == "job-1-4"
        assert is_same_model(MODELS[kind], reply.model)
        bill = LISTED.bill(kind, MODELS[kind], reply.usage, batch=False, charged=reply.cost_usd)
        assert bill is not None
        assert bill.usd == pytest.approx(simulator.ledger()["cost_usd"])
        assert bill.usd == pytest.approx(LISTED.cost_usd(kind, MODELS[kind], reply.usage, batch=False))
        assert counts.http == {(OPERATIONS[kind], "200"): 1}

    async def test_the_second_call_reads_the_cached_prefix(self, provider: Provider, kind: str) -> None:
        first = await provider.call(ask_of(kind, 0), timeout_s=LONG_S)
        second = await provider.call(ask_of(kind, 1), timeout_s=LONG_S)
        if kind == "anthropic":
            assert first.usage.cache_creation_tokens > 512
            assert second.usage.cache_read_tokens == first.usage.cache_creation_tokens
        assert second.usage.prompt_tokens == first.usage.prompt_tokens

    @pytest.mark.parametrize(
        ("fault", "stop"),
        [({"fault": "refused"}, Stop.REFUSAL), ({"fault": "cut"}, Stop.CUT), ({"fault": "invalid"}, Stop.END)],
    )
    async def test_an_unusable_answer(
        self, provider: Provider, kind: str, simulator: SimulatorControl, fault: dict[str, Any], stop: Stop
    ) -> None:
        simulator.faults({**fault, "next": 1})
        reply = await provider.call(ask_of(kind), timeout_s=LONG_S)
        assert (reply.kind, reply.stop) == (ReplyKind.SUCCEEDED, stop)
        assert isinstance(judge(reply), Retry)

    @pytest.mark.parametrize(
        ("changes", "status", "ending"),
        [({"model": "no-such-model"}, 404, Fault), ({"max_tokens": 0}, 400, Retry), ({"text": "[sim:400]"}, 400, Retry)],
    )
    @pytest.mark.not_of(
        "google", "what is sent has room for thoughts, and is never 0", when=lambda case: "max_tokens" in case["changes"]
    )
    async def test_what_the_provider_refuses_is_a_reply(
        self, provider: Provider, kind: str, changes: dict[str, Any], status: int, ending: type[Fault | Retry]
    ) -> None:
        if kind == "openrouter" and "model" in changes:
            changes = {"model": f"acme/{changes['model']}"}
        reply = await provider.call(ask_of(kind, **changes), timeout_s=LONG_S)
        assert (reply.kind, reply.http_status) == (ReplyKind.ERRORED, status)
        outcome = judge(reply)
        assert isinstance(outcome, ending)
        assert outcome.code is ErrorCode.INVALID_REQUEST

    @pytest.mark.parametrize(
        ("fault", "expected"),
        [
            ({"status": 401}, AccountRefused),
            ({"status": 429, "code": "insufficient_quota", "error_type": "payment_required"}, AccountRefused),
            ({"status": 429, "retry_after_s": 3}, Throttled),
            ({"status": 529}, Throttled),
            ({"status": 503, "message": "The model is overloaded."}, Throttled),
            ({"status": 500}, ProviderDown),
            ({"status": 504}, OutcomeUnknown),
        ],
    )
    @pytest.mark.not_of(
        "google",
        "these are words of the others; its own: test_google_batches.py, test_google_failures.py",
        when=lambda case: case["fault"]["status"] == 529 or "code" in case["fault"],
    )
    async def test_a_failed_call(
        self,
        provider: Provider,
        kind: str,
        simulator: SimulatorControl,
        counts: Counts,
        fault: dict[str, Any],
        expected: type[ProviderError],
    ) -> None:
        simulator.faults({"fault": "status", "next": 1, **fault})
        with pytest.raises(expected) as refused:
            await provider.call(ask_of(kind), timeout_s=LONG_S)
        assert type(refused.value) is expected
        assert sum(counts.http.values()) == 1

    async def test_a_call_without_an_answer_is_unknown_and_made_once(
        self, provider: Provider, kind: str, simulator: SimulatorControl
    ) -> None:
        simulator.faults(fault="hang", next=1)
        with pytest.raises(OutcomeUnknown):
            await provider.call(ask_of(kind), timeout_s=NO_ANSWER_S)
        assert simulator.ledger()["call_items_paid"] == 1

    async def test_overrides_are_sent_or_counted_as_dropped(self, provider: Provider, kind: str, counts: Counts) -> None:
        asked = ask_of(kind, temperature=0.1, reasoning_effort="low", output_verbosity="low")
        assert isinstance(judge(await provider.call(asked, timeout_s=LONG_S)), Answer)
        batches = PROVIDERS[kind].batches
        if batches:
            assert isinstance(judge((await run(provider, [asked]))[asked.custom_id]), Answer)
        temperature, verbosity = ("temperature", MODELS[kind]), ("output_verbosity", MODELS[kind])
        # Claude and the GPT that reasons take no temperature, and Anthropic and Google no verbosity.
        dropped = {"anthropic": [temperature, verbosity], "google": [verbosity]}.get(kind, [temperature])
        assert dict(counts.dropped) == dict.fromkeys(dropped, 1 + batches)


def test_an_empty_key_is_refused_rather_than_looked_for_in_the_environment(kind: str) -> None:
    with pytest.raises(ValueError, match="API key"):
        ADAPTERS[kind]("")


async def test_the_keys_hash_tells_keys_apart_and_nothing_more(open_with: Open) -> None:
    hashes = [open_with(key).key_hash for key in ("good-key", "other-key", "good-key")]
    assert hashes[0] == hashes[2] != hashes[1]
    assert all(len(hash_) == 12 and set(hash_) <= set("0123456789abcdef") for hash_ in hashes)
