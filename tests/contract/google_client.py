"""What the tests of the simulator's Gemini API share: a client, prompts, a batch from upload to rows."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from simulator.control import SimulatorControl
from tests.harness.forked import forked_simulator

MODEL = "gemini-3.8-flash"
SCHEMA: dict[str, Any] = {
    "type": "OBJECT",
    "properties": {
        "winner": {"type": "STRING", "enum": ["Essay A", "Essay B"]},
        "justification": {"type": "STRING"},
        "confidence": {"type": "INTEGER", "minimum": 1, "maximum": 5},
    },
    "required": ["winner", "justification", "confidence"],
    "propertyOrdering": ["winner", "justification", "confidence"],
}


def prompt(a: float = 0.9, b: float = 0.1, more: str = "") -> str:
    return (
        f"Compare.\n\n**Essay A (ID: a1):**\nText of A [quality:{a}] {more}\n\n"
        f"**Essay B (ID: b1):**\nText of B [quality:{b}]\n\nAnswer with winner, justification, confidence 1-5."
    )


def request(text: str | None = None, **config: Any) -> dict[str, Any]:
    generation = {"maxOutputTokens": 2000, "responseMimeType": "application/json", "responseSchema": SCHEMA, **config}
    return {
        "contents": [{"role": "user", "parts": [{"text": text or prompt()}]}],
        "systemInstruction": {"parts": [{"text": "You judge essays."}]},
        "generationConfig": {name: value for name, value in generation.items() if value is not None},
    }


def line(key: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"key": key, "request": asked or request()}


def lines(count: int) -> list[dict[str, Any]]:
    return [line(f"job-1-{n}", request(prompt(more=str(n)))) for n in range(count)]


def answer(response: dict[str, Any]) -> dict[str, Any]:
    [candidate] = response["candidates"]
    parsed: dict[str, Any] = json.loads(candidate["content"]["parts"][0]["text"])
    return parsed


def reasons(error: dict[str, Any]) -> list[str]:
    """The kinds of an error's details."""
    return [detail["@type"].rpartition(".")[2] for detail in error.get("details", [])]


class Gemini:
    """The API over plain HTTP; every method but `ask` gives the JSON of an answer with status 200."""

    def __init__(self, base_url: str, api_key: str = "a-key") -> None:
        self.http = httpx2.Client(base_url=base_url, headers={"x-goog-api-key": api_key}, timeout=20, trust_env=False)

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        return self.http.request(method, path, **more)

    def json(self, method: str, path: str, **more: Any) -> Any:
        answered = self.ask(method, path, **more)
        assert answered.status_code == 200, answered.text
        return answered.json()

    def refused(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        """The `error` of an answer that is none of success."""
        answered = self.ask(method, path, **more)
        error: dict[str, Any] = answered.json()["error"]
        assert error["code"] == answered.status_code >= 400
        return error

    def generate(self, body: dict[str, Any] | None = None, model: str = MODEL) -> dict[str, Any]:
        answered: dict[str, Any] = self.json("POST", f"/v1beta/models/{model}:generateContent", json=body or request())
        return answered

    def start(self, **file: str) -> httpx2.Response:
        headers = {
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
            "x-goog-upload-header-content-type": "application/jsonl",
        }
        return self.ask("POST", "/upload/v1beta/files", headers=headers, json={"file": file})

    def send(self, url: str, content: bytes, offset: int = 0, command: str = "upload, finalize") -> httpx2.Response:
        headers = {"x-goog-upload-offset": str(offset), "x-goog-upload-command": command}
        return self.ask("POST", url, headers=headers, content=content)

    def upload(self, content: bytes | list[dict[str, Any]], **file: str) -> dict[str, Any]:
        if isinstance(content, list):
            content = b"".join(json.dumps(row).encode() + b"\n" for row in content)
        sent = self.send(self.start(**file).headers["x-goog-upload-url"], content)
        assert sent.status_code == 200, sent.text
        stored: dict[str, Any] = sent.json()["file"]
        return stored

    def create(self, file_name: str, name: str = "job-1", model: str = MODEL) -> httpx2.Response:
        body = {"batch": {"displayName": name, "inputConfig": {"fileName": file_name}}}
        return self.ask("POST", f"/v1beta/models/{model}:batchGenerateContent", json=body)

    def submit(self, content: bytes | list[dict[str, Any]], name: str = "job-1", model: str = MODEL) -> str:
        """The name of a new batch."""
        created = self.create(self.upload(content)["name"], name, model)
        assert created.status_code == 200, created.text
        return str(created.json()["name"])

    def get(self, name: str) -> dict[str, Any]:
        operation: dict[str, Any] = self.json("GET", f"/v1beta/{name}")
        return operation

    def state(self, name: str) -> str:
        return str(self.get(name)["metadata"]["state"])

    def download(self, file_name: str) -> httpx2.Response:
        return self.ask("GET", f"/download/v1beta/{file_name}:download", params={"alt": "media"})

    def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows of a batch that has succeeded."""
        file_name = self.get(name)["metadata"]["output"]["responsesFile"]
        return [json.loads(raw) for raw in self.download(file_name).content.split(b"\n") if raw]

    def close(self) -> None:
        self.http.close()


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    with forked_simulator(
        seed=7,
        judge_error_rate=0.0,
        unknown_models=["gemini-nobody"],
        bad_keys=["revoked"],
        workspaces={"other-key": "other"},
    ) as control:
        yield control


@pytest.fixture
def gemini(simulator: SimulatorControl) -> Iterator[Gemini]:
    client = Gemini(simulator.base_url)
    yield client
    client.close()
