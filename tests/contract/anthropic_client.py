"""What the tests of the simulator with Anthropic's SDK share: clients, prompts, a simulator of their own."""

import json
import os
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import Message
from anthropic.types.messages import MessageBatchIndividualResponse

from simulator.control import SimulatorControl
from tests.harness.forked import forked_simulator

MODEL = "claude-haiku-5-5"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "winner": {"type": "string", "enum": ["Essay A", "Essay B"]},
        "justification": {"type": "string"},
        "confidence": {"type": "integer"},
    },
    "required": ["winner", "justification", "confidence"],
    "additionalProperties": False,
}
LIVE = os.environ.get("ROUNDBATCH_LIVE") == "1" and bool(os.environ.get("ANTHROPIC_API_KEY"))


def prompt(a: float = 0.9, b: float = 0.1, more: str = "") -> str:
    return (
        f"Compare.\n\n**Essay A (ID: a1):**\nText of A [quality:{a}] {more}\n\n"
        f"**Essay B (ID: b1):**\nText of B [quality:{b}]\n\nAnswer with winner, justification, confidence 1-5."
    )


def params(text: str | None = None, **more: Any) -> Any:
    return {
        "model": MODEL,
        "max_tokens": 200,
        "system": "You judge essays.",
        "messages": [{"role": "user", "content": text or prompt()}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        **more,
    }


def requests(count: int, **more: Any) -> Any:
    return [{"custom_id": f"job-1-{n}", "params": params(prompt(more=str(n)), **more)} for n in range(count)]


def answer(message: Message) -> dict[str, Any]:
    block = message.content[0]
    assert block.type == "text"
    parsed: dict[str, Any] = json.loads(block.text)
    return parsed


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    with forked_simulator(
        seed=7,
        judge_error_rate=0.0,
        unknown_models=["claude-nobody-9"],
        anthropic_batch_max_requests=50,
        bad_keys=["revoked"],
        workspaces={"other-key": "other"},
    ) as control:
        yield control


def client_of(simulator: SimulatorControl, api_key: str = "a-key", **more: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=simulator.base_url, api_key=api_key, max_retries=0, timeout=20, **more)


@pytest.fixture
def client(simulator: SimulatorControl) -> Iterator[anthropic.Anthropic]:
    with client_of(simulator) as made:
        yield made


@pytest.fixture(params=["simulator", "live"] if LIVE else ["simulator"])
def anyone(request: pytest.FixtureRequest) -> Iterator[anthropic.Anthropic]:
    """A client of the simulator; with the live flag each test that uses it runs on the real account as well."""
    if request.param == "live":
        with anthropic.Anthropic(api_key=os.environ["ANTHROPIC_API_KEY"], max_retries=2) as made:
            yield made
    else:
        with client_of(request.getfixturevalue("simulator")) as made:
            yield made


def results_of(client: anthropic.Anthropic, batch_id: str) -> dict[str, MessageBatchIndividualResponse]:
    return {row.custom_id: row for row in client.messages.batches.results(batch_id)}


# What a live account must answer alike.
