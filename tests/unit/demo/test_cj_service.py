"""The demo's CJ service, played against a stand-in for Kafka and the worker."""

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from demo import assignment, cj_service, report
from demo.cj_batch import CJBatch, Route
from demo.sending import Sending

TOPIC = "huleedu.llm_provider.comparison_result.v1"
LEDGER = {"batches": 20, "http_operations": 90, "input_tokens": 250_000, "cost_usd": 0.25, "cost_single_usd": 0.5}

Answer = Callable[[dict[str, Any]], Iterable[bytes]]


def result(body: dict[str, Any], winner: str | None) -> bytes:
    """A result event of the contract; without a winner an error."""
    name = body["correlation_id"]
    time = "2026-11-24T09:30:00.120000Z"
    error = {
        "error_code": "TIMEOUT",
        "message": "late",
        "correlation_id": name,
        "timestamp": time,
        "service": "llm_provider_service",
        "operation": "comparison",
    }
    data = {
        "request_id": name,
        "correlation_id": name,
        "winner": winner,
        "justification": winner and "better",
        "confidence": winner and 4.0,
        "error_detail": None if winner else error,
        "provider": body["llm_config_overrides"]["provider_override"],
        "model": body["llm_config_overrides"]["model_override"],
        "response_time_ms": 1,
        "token_usage": {},
        "cost_estimate": 0.0,
        "requested_at": time,
        "completed_at": time,
        "request_metadata": body["metadata"],
    }
    event = {
        "event_id": str(uuid.uuid4()),
        "event_type": "LLMComparisonResultV1",
        "event_timestamp": time,
        "source_service": "llm_provider_service",
        "correlation_id": name,
        "data": data,
    }
    return json.dumps(event).encode()


def better(body: dict[str, Any]) -> bytes:
    qualities = [float(part.split("]")[0]) for part in body["user_prompt"].split("[quality:")[1:]]
    return result(body, "Essay A" if qualities[0] > qualities[1] else "Essay B")


@dataclass
class Standin:
    """Answers each body by `answer`; its clock moves with every wait for results."""

    answer: Answer
    time: float = 0.0
    records: list[tuple[bytes, dict[str, Any]]] = field(default_factory=list)
    results: list[bytes] = field(default_factory=list)
    open_at_send: list[int] = field(default_factory=list)

    def send(self, key: bytes, value: bytes) -> None:
        envelope = json.loads(value)
        self.records.append((key, envelope))
        for body in envelope["data"]["comparisons"]:
            self.results.extend(self.answer(body))

    def receive(self, wait_s: float) -> list[bytes]:
        self.time += wait_s
        came, self.results = self.results, []
        return came


def batches(rounds: int = 3) -> list[CJBatch]:
    return [
        CJBatch(
            assignment.load(assignment.FOLDER / folder),
            Route(provider, "model", TOPIC),
            cj_batch_id=batch_id,
            rounds=rounds,
            rng=np.random.default_rng(int(batch_id)),
        )
        for folder, provider, batch_id in (("better-future", "anthropic", "138"), ("school-start", "openai", "139"))
    ]


def play(answer: Answer, playing: list[CJBatch], timeout_s: float = 30.0) -> tuple[Standin, list[bytes]]:
    standin = Standin(answer)
    records = cj_service.RoundRecords(standin)
    kept = cj_service.play(playing, records, standin, timeout_s=timeout_s, now=lambda: standin.time, watch=lambda: None)
    return standin, list(kept)


def test_every_round_is_sent_once_as_a_record_keyed_by_its_batch() -> None:
    playing = batches(rounds=10)

    standin, kept = play(lambda body: [better(body)], playing)

    assert len(kept) == 240
    assert len(standin.records) == 20
    for key, envelope in standin.records:
        data = envelope["data"]
        assert envelope["event_type"] == "LLMComparisonRoundRequestedV1"
        assert (data["part"], data["parts"], len(data["comparisons"])) == (1, 1, 12)
        assert {body["metadata"]["cj_batch_id"].encode() for body in data["comparisons"]} == {key}
        assert {body["metadata"]["preferred_bundle_size"] for body in data["comparisons"]} == {12}
    assert [
        envelope["data"]["comparisons"][0]["metadata"]["comparison_iteration"]
        for key, envelope in standin.records
        if key == b"138"
    ] == list(range(10))
    found = report.make(playing, LEDGER, 42.06, Sending("nightly"))
    assert found.whole
    assert (found.requested, found.answered, found.missing, found.duplicates, found.errors) == (240, 240, 0, 0, 0)
    assert found.rank_correlation >= 0.9
    told = json.loads(found.as_json())
    assert told["seconds"] == 42.1
    assert (told["strategy"], told["layout"]) == ("nightly", "auto")
    assert (told["http_operations"], told["input_tokens"], told["cost_usd"]) == (90, 250_000, 0.25)


def test_one_open_comparison_holds_its_batch_and_not_the_other_until_the_time_is_up() -> None:
    lost: list[str] = []

    def answer(body: dict[str, Any]) -> list[bytes]:
        if not lost and body["metadata"]["cj_batch_id"] == "138" and body["metadata"]["comparison_iteration"] == 1:
            lost.append(body["correlation_id"])
            return []
        return [better(body)]

    playing = batches()
    standin, _ = play(answer, playing, timeout_s=30.0)

    assert playing[0].missing == lost
    assert (playing[0].round, playing[1].round) == (2, 3)
    assert 30.0 <= standin.time < 32.0
    found = report.make(playing, LEDGER, 1.0, Sending())
    assert (found.missing, found.requested, found.answered) == (1, 60, 59)
    assert not found.whole


def test_a_result_that_comes_twice_is_counted_and_fails_the_demo() -> None:
    again: list[bytes] = []

    def answer(body: dict[str, Any]) -> list[bytes]:
        again.append(better(body))
        return [again[-1], again[0]] if len(again) == 72 else [again[-1]]

    playing = batches()
    _, kept = play(answer, playing)

    found = report.make(playing, LEDGER, 1.0, Sending())
    assert (found.duplicates, found.missing, found.whole) == (1, 0, False)
    assert len(kept) == 73


def test_an_error_answers_its_comparison_and_gives_no_verdict() -> None:
    playing = batches(rounds=1)

    play(lambda body: [result(body, None)], playing)

    found = report.make(playing, LEDGER, 1.0, Sending())
    assert (found.answered, found.errors, found.missing, found.whole) == (24, 24, 0, True)
    assert found.rank_correlation == 0.0
    assert playing[0].verdicts == []


def test_what_breaks_the_contract_or_belongs_to_others_is_not_an_answer() -> None:
    playing = batches(rounds=1)

    def answer(body: dict[str, Any]) -> list[bytes]:
        broken = json.loads(better(body))
        broken["data"]["confidence"] = 0
        return [json.dumps(broken).encode(), better(body | {"correlation_id": str(uuid.uuid4())}), b"\xff"]

    _, kept = play(answer, playing, timeout_s=2.0)

    assert kept == []
    assert report.make(playing, LEDGER, 1.0, Sending()).missing == 24


def test_the_next_round_is_not_chosen_while_one_is_open() -> None:
    [batch, _] = batches()
    batch.next_round()

    with pytest.raises(RuntimeError, match="round 1 of 3 is open"):
        batch.next_round()
