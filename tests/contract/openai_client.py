"""What the tests of the simulator with OpenAI's SDK share: clients, prompts, a simulator of their own."""

import json
import os
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types import Batch
from openai.types.chat import ChatCompletion

from simulator.control import SimulatorControl
from tests.harness.forked import forked_simulator

MODEL = "gpt-6-luna"
URL = "/v1/chat/completions"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "winner": {"type": "string", "enum": ["Essay A", "Essay B"]},
        "justification": {"type": "string"},
        "confidence": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["winner", "justification", "confidence"],
    "additionalProperties": False,
}
LIVE = os.environ.get("ROUNDBATCH_LIVE") == "1" and bool(os.environ.get("OPENAI_API_KEY"))


def prompt(a: float = 0.9, b: float = 0.1, more: str = "") -> str:
    return (
        f"Compare.\n\n**Essay A (ID: a1):**\nText of A [quality:{a}] {more}\n\n"
        f"**Essay B (ID: b1):**\nText of B [quality:{b}]\n\nAnswer with winner, justification, confidence 1-5."
    )


def response_format(schema: dict[str, Any] = SCHEMA, strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": strict, "schema": schema}}


def body(text: str | None = None, **more: Any) -> Any:
    return {
        "model": MODEL,
        "max_completion_tokens": 400,
        "messages": [
            {"role": "system", "content": "You judge essays."},
            {"role": "user", "content": text or prompt()},
        ],
        "response_format": response_format(),
        **more,
    }


def line(custom_id: str, row_body: Any = None, **more: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": URL, "body": row_body or body(), **more}


def lines(count: int) -> list[dict[str, Any]]:
    return [line(f"job-1-{n}", body(prompt(more=str(n)))) for n in range(count)]


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    with forked_simulator(
        seed=7,
        judge_error_rate=0.0,
        unknown_models=["gpt-nobody-9"],
        openai_batch_max_requests=50,
        openai_file_max_bytes=100_000,
        bad_keys=["revoked"],
        workspaces={"other-key": "other"},
    ) as control:
        yield control


def client_of(simulator: SimulatorControl, api_key: str = "a-key") -> openai.OpenAI:
    return openai.OpenAI(base_url=simulator.openai_url, api_key=api_key, max_retries=0, timeout=20)


@pytest.fixture
def client(simulator: SimulatorControl) -> Iterator[openai.OpenAI]:
    with client_of(simulator) as made:
        yield made


@pytest.fixture(params=["simulator", "live"] if LIVE else ["simulator"])
def anyone(request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    """A client of the simulator; with the live flag each test that uses it runs on the real account as well."""
    if request.param == "live":
        with openai.OpenAI(api_key=os.environ["OPENAI_API_KEY"], max_retries=2) as made:
            yield made
    else:
        with client_of(request.getfixturevalue("simulator")) as made:
            yield made


def submit(client: openai.OpenAI, content: bytes | list[dict[str, Any]], **more: Any) -> Batch:
    if isinstance(content, list):
        content = b"".join(json.dumps(row).encode() + b"\n" for row in content)
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more)


def rows_of(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    raw = client.files.content(file_id).content
    return {row["custom_id"]: row for row in map(json.loads, filter(None, raw.split(b"\n")))}


def answer(completion: ChatCompletion) -> dict[str, Any]:
    content = completion.choices[0].message.content
    assert content is not None
    parsed: dict[str, Any] = json.loads(content)
    return parsed


# What a live account must answer alike.
