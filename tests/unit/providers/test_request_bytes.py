"""What each provider is sent, byte by byte, and the other order of an answer's members.

`request_bytes.json` was written before asks could have that order; it must not be made anew.
"""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from providers.anthropic import wire as anthropic
from providers.google import requests as google
from providers.openai import wire as openai
from providers.prompts.answer_schema import google_schema, schema_of
from providers.protocol import Ask, PromptBlock

SENT: dict[str, str] = json.loads(Path(__file__).with_name("request_bytes.json").read_text())
BLOCKS = (PromptBlock("context\n\n", cacheable=True, ttl="1h"), PromptBlock("Essays. Två"))


def dropped(parameter: str, model: str) -> None:
    raise AssertionError(f"{parameter} was dropped for {model}")


def sent(ask: Ask) -> dict[str, str]:
    """By provider and form, what is sent for this ask."""
    return {
        "anthropic batch": b"".join(anthropic.batch_body([ask], dropped)).decode(),
        "anthropic call": json.dumps(anthropic.message_params(ask, dropped)),
        "google call": google.encoded(google.generate_body(ask, dropped)).decode(),
        "google batch": b"".join(google.batch_lines([ask], dropped)).decode(),
        "openai batch": b"".join(openai.batch_lines([ask])).decode(),
        "openai call without a schema": json.dumps(openai.completion_body(ask, schema=False)),
    }


@pytest.mark.parametrize("answers", [1, 2])
def test_what_the_worker_sends_is_byte_by_byte_what_it_was(answers: int) -> None:
    ask = Ask(f"q{answers}", "m", "Judge.", BLOCKS, 400 * answers, answers=answers)
    for name, request in sent(ask).items():
        form, without, more = name.partition(" without")
        assert SENT[f"{form} of {answers}{without}{more}"] == request


@pytest.mark.parametrize("answers", [1, 2])
def test_the_reasons_may_come_first_and_nothing_else_is_otherwise(answers: int) -> None:
    ask = Ask("q", "m", "Judge.", BLOCKS, 400, answers=answers)
    before = sent(ask)
    for name, request in sent(replace(ask, reasons_first=True)).items():
        assert request != before[name]
        assert sorted(request) == sorted(before[name])  # the same characters in another order
    schema = schema_of(answers, reasons_first=True)
    answer = schema if answers == 1 else schema["$defs"]["answer"]
    assert list(answer["properties"]) == answer["required"] == ["justification", "winner", "confidence"]
    properties = google_schema(answers, reasons_first=True)["properties"]
    for each in [properties] if answers == 1 else [one["properties"] for one in properties.values()]:
        assert list(each) == ["justification", "winner", "confidence"]


def test_a_batch_of_google_has_one_order_as_it_has_one_length() -> None:
    ask = Ask("q", "m", "Judge.", BLOCKS, 400)
    without: list[str] = []
    lines = list(
        google.batch_lines([ask, replace(ask, reasons_first=True)], lambda parameter, model: without.append(parameter))
    )
    assert without == ["response_schema"]
    assert [b"responseSchema" in line for line in lines] == [True, False]
