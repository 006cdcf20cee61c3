"""A parameter that a model does not take: refused once by name, then left out of what is sent to that model."""

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import pytest

from domain.answer import Answer
from domain.reply import Cause, Retry, judge, judge_bundle
from providers.anthropic.adapter import AnthropicProvider
from providers.openai.adapter import OpenAIProvider
from providers.protocol import Ask
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import LONG_S, Counts, ask_of, run
from tests.harness.forked import forked_simulator

COLD = "a-model-of-tomorrow"  # of no family that is known: it refuses every temperature
PLAIN = "gpt-4.1"  # does not reason: no effort, and no verbosity but medium
OLD = "claude-haiku-4-5"  # no effort


class Refused(NamedTuple):
    """A parameter that a model refuses, and a value that it may have."""

    kind: str
    model: str
    name: str
    value: float | str

    def ask(self, number: int = 0) -> Ask:
        return ask_of(self.kind, number, model=self.model, **{self.name: self.value})


REFUSED = [
    Refused("openai", COLD, "temperature", 0.1),
    Refused("openai", PLAIN, "reasoning_effort", "low"),
    Refused("openai", PLAIN, "output_verbosity", "low"),
    Refused("anthropic", OLD, "reasoning_effort", "low"),
]
Providers = dict[str, AnthropicProvider | OpenAIProvider]


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorControl]:
    with forked_simulator(judge_error_rate=0.0, refused_parameters={COLD: ["temperature"]}) as control:
        yield control


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
async def providers(simulator: SimulatorControl, counts: Counts) -> AsyncIterator[Providers]:
    opened: Providers = {
        "anthropic": AnthropicProvider("key", base_url=simulator.base_url, on_dropped=counts.on_dropped),
        "openai": OpenAIProvider("key", base_url=simulator.openai_url, on_dropped=counts.on_dropped),
    }
    yield opened
    for one in opened.values():
        await one.close()


@pytest.mark.parametrize("case", REFUSED)
async def test_a_call_learns_from_its_refusal(providers: Providers, counts: Counts, case: Refused) -> None:
    provider = providers[case.kind]
    refused = await provider.call(case.ask(), timeout_s=LONG_S)
    assert refused.parameter == case.name
    verdict = judge(refused)
    assert isinstance(verdict, Retry)
    assert verdict.cause is Cause.PARAMETER
    assert {one.cause for one in judge_bundle(refused, 3) if isinstance(one, Retry)} == {Cause.PARAMETER}
    assert not counts.dropped

    assert isinstance(judge(await provider.call(case.ask(), timeout_s=LONG_S)), Answer)
    assert dict(counts.dropped) == {(case.name, case.model): 1}


@pytest.mark.parametrize("case", REFUSED)
async def test_the_rows_of_a_batch_teach_it_too(providers: Providers, counts: Counts, case: Refused) -> None:
    provider = providers[case.kind]
    asks = [case.ask(number) for number in range(3)]
    rows = await run(provider, asks)
    assert [row.parameter for row in rows.values()] == [case.name] * 3
    for row in rows.values():
        provider.learn(case.model, row)
    again = await run(provider, asks)
    assert all(isinstance(judge(row), Answer) for row in again.values())
    assert dict(counts.dropped) == {(case.name, case.model): 3}


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        *(
            (model, None)
            for model in ("gpt-5.1", "gpt-5", "gpt-5-mini", "o3-mini", "gpt-6-luna", "gpt-4o", "gpt-5-chat-latest")
        ),
        *((model, "low") for model in ("gpt-5.1", "gpt-5", "o3-mini", "gpt-6-luna")),
    ],
)
async def test_what_is_known_of_a_family_is_never_refused(providers: Providers, model: str, effort: str | None) -> None:
    asked = ask_of("openai", model=model, temperature=0.1, reasoning_effort=effort)
    assert isinstance(judge(await providers["openai"].call(asked, timeout_s=LONG_S)), Answer)


async def test_any_name_is_a_model_with_a_price(providers: Providers, simulator: SimulatorControl) -> None:
    simulator.reset()
    for kind, provider in providers.items():
        assert isinstance(judge(await provider.call(ask_of(kind, model="no-price-list-has-it"), timeout_s=LONG_S)), Answer)
    assert simulator.ledger()["cost_usd"] > 0
