"""What the Gemini API is sent: bodies, lines, names, and how long a model is told to think."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from domain.answer import bundle_keys
from providers.google import requests
from providers.google.thinking import MOST_OUTPUT_TOKENS, most_output_tokens, thinking_config
from providers.prompts.answer_schema import google_schema
from providers.protocol import Ask, PromptBlock

ASK = Ask("rb-0-1-a-0-0", "gemini-3.8-flash", "Judge.", (PromptBlock("One. ", cacheable=True), PromptBlock("Två\u2028.")), 400)


class Dropped(list[tuple[str, str]]):
    def __call__(self, parameter: str, model: str) -> None:
        self.append((parameter, model))


def body_of(**changes: Any) -> dict[str, Any]:
    return requests.generate_body(replace(ASK, **changes), Dropped())


def test_everything_but_the_texts_stands_in_generation_config() -> None:
    body = body_of(temperature=0.1, reasoning_effort="low")
    assert set(body) == {"contents", "systemInstruction", "generationConfig"}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "One. Två\u2028."}]}]
    assert body["systemInstruction"] == {"parts": [{"text": "Judge."}]}
    assert body["generationConfig"] == {
        "maxOutputTokens": 400 + 2_048,
        "responseMimeType": "application/json",
        "responseSchema": google_schema(),
        "temperature": 0.1,
        "thinkingConfig": {"thinkingLevel": "LOW"},
    }
    assert "systemInstruction" not in body_of(system="")


def test_the_schema_of_one_answer_has_its_order_and_no_keyword_that_gemini_lacks() -> None:
    schema = google_schema()
    assert list(schema) == ["type", "properties", "required", "propertyOrdering"]
    assert schema["propertyOrdering"] == schema["required"] == ["winner", "justification", "confidence"]
    assert schema["properties"]["winner"]["enum"] == ["Essay A", "Essay B"]
    assert schema["properties"]["confidence"] | {"description": ""} == {
        "type": "NUMBER",
        "description": "",
        "minimum": 1,
        "maximum": 5,
    }


@pytest.mark.parametrize("size", [2, 8, 64])
def test_a_bundles_schema_is_written_out_in_the_order_of_its_keys(size: int) -> None:
    schema = google_schema(size)
    assert tuple(schema["propertyOrdering"]) == tuple(schema["required"]) == tuple(schema["properties"]) == bundle_keys(size)
    assert "$ref" not in json.dumps(schema)
    described = ["description" in one["properties"]["winner"] for one in schema["properties"].values()]
    assert described == [True] + [False] * (size - 1)
    assert all(one["propertyOrdering"] == ["winner", "justification", "confidence"] for one in schema["properties"].values())
    assert len(json.dumps(schema)) < 2_048 * size  # the room that a job's size has for each comparison


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gemini-3.8-flash", None, None),
        ("gemini-3.8-flash", "none", {"thinkingLevel": "LOW"}),  # MINIMAL is a 400
        ("gemini-3.7-flash", "none", {"thinkingLevel": "LOW"}),
        ("models/gemini-3.8-flash", "medium", {"thinkingLevel": "MEDIUM"}),
        ("gemini-3.1-pro-preview", "high", {"thinkingLevel": "HIGH"}),
        ("gemini-3.5-flash-lite", "none", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.5-flash-lite", "low", {"thinkingLevel": "LOW"}),
        ("gemini-4-flash", "low", {"thinkingLevel": "LOW"}),
        ("gemini-2.5-flash-lite", "none", {"thinkingBudget": 512}),
        ("gemini-2.5-flash-lite", "high", {"thinkingBudget": 8_192}),
        ("gemini-2.0-flash", "high", None),
        ("gemma-4-27b-it", "low", None),
    ],
)
def test_how_long_a_model_is_told_to_think(model: str, effort: str | None, expected: dict[str, Any] | None) -> None:
    assert thinking_config(model, effort) == expected


def test_an_effort_that_the_model_has_no_place_for_is_counted_as_dropped() -> None:
    dropped = Dropped()
    asked = replace(ASK, model="gemini-2.0-flash", reasoning_effort="high", output_verbosity="low", temperature=2.0)
    config = requests.generate_body(asked, dropped)["generationConfig"]
    assert dropped == [("reasoning_effort", "gemini-2.0-flash"), ("output_verbosity", "gemini-2.0-flash")]
    assert config["temperature"] == 2.0
    assert config["maxOutputTokens"] == 400  # a model that does not think needs no room for it


def test_thoughts_have_room_beside_the_answer() -> None:
    assert most_output_tokens("gemini-3.8-flash", None, 400, 1) == 400 + 4_096
    assert most_output_tokens("gemini-3.8-flash", "high", 400, 1) == 400 + 8_192
    assert most_output_tokens("gemini-3.8-flash", "none", 3_200, 8) == 3_200 + 1_024 + 7 * 256
    assert most_output_tokens("gemini-3.8-flash", "high", 25_600, 64) == MOST_OUTPUT_TOKENS  # which no model exceeds
    assert most_output_tokens("gemini-3.8-flash", "low", 70_000, 64) == 70_000  # what was asked for is never less


def test_a_budget_of_thoughts_fits_its_room() -> None:
    for effort in ("none", "low", "medium", "high"):
        config = thinking_config("gemini-2.5-flash-lite", effort) or {}
        assert most_output_tokens("gemini-2.5-flash-lite", effort, 400, 1) >= 400 + config["thinkingBudget"]


def test_a_line_is_one_line_of_ascii_with_key_and_request() -> None:
    (line,) = requests.batch_lines([ASK], Dropped())
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert json.loads(line) == {"key": "rb-0-1-a-0-0", "request": body_of()}


def test_lines_of_another_size_than_the_first_have_no_schema() -> None:
    dropped = Dropped()
    asks = [replace(ASK, answers=8), replace(ASK, answers=8), replace(ASK, answers=1)]
    lines = [json.loads(line)["request"]["generationConfig"] for line in requests.batch_lines(asks, dropped)]
    assert ["responseSchema" in line for line in lines] == [True, True, False]
    assert lines[2]["responseMimeType"] == "application/json"
    assert dropped == [("response_schema", "gemini-3.8-flash")]


def test_the_names_that_a_job_is_known_by() -> None:
    assert requests.batch_body("rb-0-1-a-0", "files/x") == {
        "batch": {"displayName": "rb-0-1-a-0", "inputConfig": {"fileName": "files/x"}}
    }
    assert requests.file_body("rb-0-1-a-0") == {
        "file": {"displayName": "roundbatch-rb-0-1-a-0", "name": "files/roundbatch-rb-0-1-a-0"}
    }
    assert requests.job_of_file("files/roundbatch-rb-0-1-a-0") == "rb-0-1-a-0"
    assert requests.job_of_file("files/abc") == ""


@pytest.mark.parametrize("job_id", ["rb-0-1-" + "a" * 40, "RB-1", "job_1", "job-"])
def test_a_file_whose_name_the_api_would_not_take_gets_one_of_its_choice(job_id: str) -> None:
    assert requests.file_name(job_id) == ""
    assert requests.file_body(job_id) == {"file": {"displayName": f"roundbatch-{job_id}"}}


def test_the_longest_job_id_fits_a_name() -> None:
    assert requests.file_name("rb-999-9999999999-mzzzzzzz-99")


@pytest.mark.parametrize(
    ("kind", "name", "verb", "path"),
    [
        ("models", "gemini-3.8-flash", ":generateContent", "/v1beta/models/gemini-3.8-flash:generateContent"),
        ("models", "models/gemini-3.8-flash", ":generateContent", "/v1beta/models/gemini-3.8-flash:generateContent"),
        ("models", "../files?x", ":generateContent", "/v1beta/models/..%2Ffiles%3Fx:generateContent"),
        ("batches", "batches/abc", "", "/v1beta/batches/abc"),
        ("batches", "abc", ":cancel", "/v1beta/batches/abc:cancel"),
    ],
)
def test_a_name_stays_one_part_of_the_path(kind: str, name: str, verb: str, path: str) -> None:
    assert requests.path_of(kind, name, verb) == path
