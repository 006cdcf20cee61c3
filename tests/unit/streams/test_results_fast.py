"""Result events are written field by field; they are what the models would write."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.answer import Answer
from domain.comparison import Member
from domain.outcome import Outcome
from domain.reply import ErrorCode, Fault, Usage
from streams.wire import answered, results
from streams.wire.envelope import encode
from streams.wire.request_events import single_event
from streams.wire.requests import read_record

EXAMPLES = Path(__file__).parents[2] / "examples"
BODY: dict[str, Any] = json.loads((EXAMPLES / "request_http_body.json").read_text())
MEMBER = read_record(single_event(BODY)).members[0]
ANSWERED = Outcome(Member(7, 0), "anthropic", "m", 0, "batch_api", answer=Answer("Essay B", "better", 4.0))


@given(
    requested=st.integers(0, 4_000_000_000_000) | st.sampled_from([1_764_599_056_000, 1_764_599_056_100]),
    completed=st.integers(0, 4_000_000_000_000),
    fault=st.none() | st.builds(Fault, st.sampled_from(ErrorCode), st.text(), st.dictionaries(st.text(), st.integers())),
    traced=st.booleans(),
    cost=st.floats(0, 100) | st.just(0),
    usage=st.builds(Usage, st.integers(0, 10**6), st.integers(0, 10**6), raw=st.none() | st.just({"input_tokens": 3})),
)
def test_bytes_are_those_of_the_model(
    requested: int, completed: int, fault: Fault | None, traced: bool, cost: float, usage: Usage
) -> None:
    outcome = replace(ANSWERED, completed_ms=completed, cost_usd=cost, usage=usage)
    if fault is not None:
        outcome = replace(outcome, answer=None, fault=fault)
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" if traced else None
    message = results.result_message(MEMBER, outcome, requested_ms=requested, traceparent=parent)
    assert message.value == encode(results.ResultEvent.model_validate_json(message.value))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
VALUES = st.none() | st.booleans() | TEXT | NUMBERS | st.just([{"a": 1e-7}])
KEYS = TEXT | st.sampled_from(
    ["resolved_provider", "queue_processing_mode", "resolved_model", "prompt_sha256", "usage", "cache_read_input_tokens"]
)


@given(
    metadata=st.dictionaries(KEYS, VALUES, max_size=5),
    overrides=st.sampled_from([{}, {"model_override": "m"}]),
    prompt=st.sampled_from([{}, {"prompt_blocks": None}, {"prompt_blocks": []}, {"more": 1}]),
    answer=st.builds(Answer, st.sampled_from(["Essay A", "Essay B"]), TEXT, st.floats(1, 5) | st.integers(1, 5)),
    model=TEXT,
    cost=st.floats(0, 100) | st.sampled_from([0, 1, 1e-7, 2.5e-5, 1e16]),
    usage=st.builds(
        Usage, st.integers(0), st.integers(0), st.integers(), st.integers(), st.none() | st.dictionaries(TEXT, VALUES)
    ),
    state=st.none() | st.just('a="1"'),
)
def test_the_bytes_of_an_answer_are_those_of_the_long_way(
    metadata: dict[str, Any],
    overrides: dict[str, Any],
    prompt: dict[str, Any],
    answer: Answer,
    model: str,
    cost: float,
    usage: Usage,
    state: str | None,
) -> None:
    raw = single_event({**BODY, **prompt, "metadata": metadata, "llm_config_overrides": overrides})
    outcome = replace(ANSWERED, answer=answer, model=model, cost_usd=cost, usage=usage, response_time_ms=7)
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    made = []
    for shortcut in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not shortcut:
                patch.setattr(answered, "can_be_sent", lambda *_: False)
            made.append(
                results.result_message(
                    read_record(raw).members[0], outcome, requested_ms=1_795_000_000_000, traceparent=parent, tracestate=state
                )
            )
    assert made[0] == made[1]


def test_an_answer_takes_the_short_way() -> None:
    assert ANSWERED.answer is not None
    assert answered.can_be_sent(ANSWERED, ANSWERED.answer)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_ids_are_those_of_uuid5(name: str) -> None:
    assert results._uuid5(name) == str(uuid.uuid5(results._NAMESPACE, name))
