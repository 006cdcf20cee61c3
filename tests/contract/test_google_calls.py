"""What differs in Gemini's calls: thoughts, blocked prompts, reasons to stop, limits, another model."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from domain.answer import Answer
from domain.reply import Cause, Retry, Stop, judge
from providers.google.adapter import GoogleProvider
from providers.protocol import AccountRefused, Throttled
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import LONG_S, Counts, ask_of, run
from tests.harness.forked import forked_simulator


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    with forked_simulator(
        judge_error_rate=0.0, google_thoughts={"MINIMAL": 0, "LOW": 100, "MEDIUM": 300, "HIGH": 20_000}
    ) as control:
        yield control


@pytest.fixture
async def provider(simulator: SimulatorControl, counts: Counts) -> AsyncIterator[GoogleProvider]:
    opened = GoogleProvider("good-key", base_url=simulator.base_url, on_dropped=counts.on_dropped)
    yield opened
    await opened.close()


async def test_thoughts_are_counted_as_output_and_leave_the_answer_whole(provider: GoogleProvider) -> None:
    reply = await provider.call(ask_of("google", max_tokens=64), timeout_s=LONG_S)
    assert isinstance(judge(reply), Answer)
    assert reply.usage.completion_tokens > (reply.usage.raw or {})["thoughtsTokenCount"] == 300


async def test_thoughts_that_use_up_all_room_are_an_answer_cut_short(provider: GoogleProvider) -> None:
    reply = await provider.call(ask_of("google", max_tokens=64, reasoning_effort="high"), timeout_s=LONG_S)
    assert (reply.stop, reply.text) == (Stop.CUT, "")
    assert reply.usage.completion_tokens == 64 + 8_192  # and paid


@pytest.mark.parametrize("effort", ["none", "low", "medium"])
@pytest.mark.parametrize("model", ["gemini-3.8-flash", "gemini-3.7-flash", "gemini-3.5-flash-lite", "gemini-2.5-flash-lite"])
async def test_every_effort_is_taken_by_every_family(provider: GoogleProvider, counts: Counts, model: str, effort: str) -> None:
    reply = await provider.call(ask_of("google", model=model, reasoning_effort=effort, temperature=2.0), timeout_s=LONG_S)
    assert isinstance(judge(reply), Answer)
    assert not counts.dropped


async def test_a_level_that_a_model_refuses_is_not_sent_again() -> None:
    refused: Any = {"gemini-4-flash": ["thinkingLevel"]}
    with forked_simulator(refused_parameters=refused) as simulator:
        provider = GoogleProvider("good-key", base_url=simulator.base_url)
        asked = ask_of("google", model="gemini-4-flash", reasoning_effort="low")
        verdict = judge(await provider.call(asked, timeout_s=LONG_S))
        assert isinstance(verdict, Retry)
        assert verdict.cause is Cause.PARAMETER
        assert isinstance(judge(await provider.call(asked, timeout_s=LONG_S)), Answer)
        await provider.close()


@pytest.mark.parametrize("in_batch", [False, True])
@pytest.mark.parametrize(
    ("fault", "stop", "said"),
    [
        ({"fault": "blocked"}, Stop.REFUSAL, "prompt blocked: PROHIBITED_CONTENT"),
        ({"fault": "refused"}, Stop.REFUSAL, "SAFETY"),
        ({"fault": "refused", "reason": "SPII"}, Stop.REFUSAL, "SPII"),
        ({"fault": "refused", "reason": "RECITATION"}, Stop.BROKEN, "RECITATION"),
        ({"fault": "refused", "reason": "A_WORD_OF_2027"}, Stop.BROKEN, "A_WORD_OF_2027"),
        ({"fault": "cut", "variant": "no_text"}, Stop.CUT, ""),
    ],
)
async def test_why_there_is_no_answer(
    provider: GoogleProvider, simulator: SimulatorControl, fault: dict[str, Any], stop: Stop, said: str, in_batch: bool
) -> None:
    simulator.faults({**fault, "next": 1})
    ask = ask_of("google")
    reply = (await run(provider, [ask]))[ask.custom_id] if in_batch else await provider.call(ask, timeout_s=LONG_S)
    assert (reply.stop, reply.stop_reason) == (stop, said)
    assert isinstance(judge(reply), Retry)


async def test_a_limit_a_minute_is_waited_for_and_one_a_day_is_not(
    provider: GoogleProvider, simulator: SimulatorControl
) -> None:
    simulator.faults(fault="status", status=429, variant="per_minute", retry_after_s=22, next=1)
    with pytest.raises(Throttled) as throttled:
        await provider.call(ask_of("google"), timeout_s=LONG_S)
    assert throttled.value.retry_after_s == 22.0
    simulator.faults(fault="status", status=429, variant="per_day", next=1)
    with pytest.raises(AccountRefused):
        await provider.call(ask_of("google"), timeout_s=LONG_S)


async def test_the_model_that_answered_is_told(provider: GoogleProvider, simulator: SimulatorControl) -> None:
    simulator.faults(fault="other_model", model="gemini-3.5-flash-lite", next=1)
    assert (await provider.call(ask_of("google"), timeout_s=LONG_S)).model == "gemini-3.5-flash-lite"
