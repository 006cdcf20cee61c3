"""What is asked: the text is the user_prompt character for character, and only the leading static block is marked."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.comparison import CallProfile
from providers.anthropic.wire import message_params
from providers.openai.wire import completion_body
from providers.prompts.answer_schema import anthropic_format, openai_response_format, schema_of
from providers.prompts.prompts import PromptSource, SourceBlock, ask_for, prompt_blocks
from providers.protocol import Ask

EXAMPLE = Path(__file__).parents[2] / "examples" / "request_http_body.json"


def source_of(*blocks: SourceBlock, user_prompt: str | None = None) -> PromptSource:
    return PromptSource("\n\n".join(b.content for b in blocks) if user_prompt is None else user_prompt, blocks)


def static(content: str, ttl: str = "5m") -> SourceBlock:
    return SourceBlock(content, cacheable=True, ttl="1h" if ttl == "1h" else "5m")


def ask(source: PromptSource, **changes: object) -> Ask:
    values: dict[str, object] = {"system_prompt": "Judge.", **changes}
    profile = CallProfile("p", "m", "topic", **values)  # type: ignore[arg-type]
    return ask_for("job-0", source, profile, default_max_tokens=512)


def user_text(params: dict[str, object]) -> str:
    content = params["messages"][-1]["content"]  # type: ignore[index]
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def cached(value: object) -> int:
    return json.dumps(value).count("cache_control")


def test_the_example_is_cut_after_its_static_context_and_the_instructions_carry_no_mark() -> None:
    body = json.loads(EXAMPLE.read_text())
    blocks = tuple(SourceBlock(b["content"], b["cacheable"], b["ttl"]) for b in body["prompt_blocks"])
    source = PromptSource(body["user_prompt"], blocks)
    first, rest = prompt_blocks(source)
    assert first.text == body["prompt_blocks"][0]["content"] + "\n\n"
    assert first.cacheable
    assert not rest.cacheable
    assert first.text + rest.text == body["user_prompt"]


def test_blocks_that_do_not_join_to_the_prompt_are_not_used() -> None:
    source = source_of(static("context"), SourceBlock("essays"), user_prompt="context\nessays")
    (only,) = prompt_blocks(source)
    assert only.text == "context\nessays"
    assert not only.cacheable


@pytest.mark.parametrize(
    "blocks",
    [
        (SourceBlock("essay"), static("instructions")),  # behind an essay nothing is shared
        (static("essay of this pair"), static("instructions")),  # all of it: nobody else has this prefix
        (static(" \n"), SourceBlock("essay")),  # a text block without a visible character is refused
        (static("context"), SourceBlock("\n")),
        (SourceBlock("essay"),),
        (),
    ],
)
def test_no_mark_where_no_prefix_is_shared(blocks: tuple[SourceBlock, ...]) -> None:
    source = source_of(*blocks)
    assert [block.cacheable for block in prompt_blocks(source)] == [False]
    assert "".join(block.text for block in prompt_blocks(source)) == source.user_prompt


def test_a_run_of_static_blocks_is_one_prefix_with_the_shorter_ttl() -> None:
    assert prompt_blocks(source_of(static("a", "1h"), static("b", "1h"), SourceBlock("c")))[0].ttl == "1h"
    first, rest = prompt_blocks(source_of(static("a", "1h"), static("b", "5m"), SourceBlock("c")))
    assert (first.text, first.ttl, rest.text) == ("a\n\nb\n\n", "5m", "c")


BLOCKS = st.lists(st.builds(SourceBlock, st.text(st.characters(codec="utf-8"), max_size=20), st.booleans()), max_size=5)


@given(BLOCKS, st.booleans())
def test_both_providers_are_sent_the_prompt_character_for_character(blocks: list[SourceBlock], joined: bool) -> None:
    source = source_of(*blocks) if joined else source_of(*blocks, user_prompt="another prompt")
    asked = ask(source)
    assert user_text(message_params(asked, lambda parameter, model: None)) == source.user_prompt
    assert user_text(completion_body(asked)) == source.user_prompt


def test_the_system_prompt_is_cached_with_the_leading_block_or_not_at_all() -> None:
    marked = message_params(ask(source_of(static("context", "1h"), SourceBlock("essays"))), lambda parameter, model: None)
    assert marked["system"] == [
        {"type": "text", "text": "Judge.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert marked["messages"][0]["content"] == [
        {"type": "text", "text": "context\n\n", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "essays"},
    ]
    plain = message_params(ask(source_of(SourceBlock("essays"))), lambda parameter, model: None)
    assert plain["system"] == "Judge."
    assert cached(plain) == 0


def test_parameters_go_where_each_api_has_a_place_for_them() -> None:
    dropped: list[tuple[str, str]] = []
    asked = ask(
        PromptSource("p"), temperature=0.1, max_tokens=77, reasoning_effort="low", output_verbosity="high", system_prompt=""
    )
    params = message_params(asked, lambda parameter, model: dropped.append((parameter, model)))
    assert sorted(dropped) == [("output_verbosity", "m"), ("temperature", "m")]
    assert params["output_config"] == {"effort": "low", "format": anthropic_format()}
    assert params["max_tokens"] == 77
    assert not {"system", "temperature"} & params.keys()
    assert completion_body(asked) == {
        "model": "m",
        "messages": [{"role": "user", "content": "p"}],
        "max_completion_tokens": 77,
        "response_format": openai_response_format(),
        "temperature": 0.1,
        "reasoning_effort": "low",
        "verbosity": "high",
    }


def test_effort_none_and_the_default_limit() -> None:
    dropped: list[str] = []
    params = message_params(ask(PromptSource("p"), reasoning_effort="none"), lambda parameter, model: dropped.append(parameter))
    assert dropped == ["reasoning_effort"]
    assert "effort" not in params["output_config"]
    assert params["max_tokens"] == 512
    assert completion_body(ask(PromptSource("p"), reasoning_effort="none"))["reasoning_effort"] == "none"


def test_the_answer_schema_holds_only_what_strict_modes_take() -> None:
    schema = anthropic_format()["schema"]
    assert schema == openai_response_format()["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == sorted(schema["properties"]) == ["confidence", "justification", "winner"]
    assert schema["properties"]["winner"]["enum"] == ["Essay A", "Essay B"]
    keywords = {key for node in schema["properties"].values() for key in node}
    assert keywords == {"type", "enum", "description"}


def test_a_server_without_schemas_is_told_in_the_prompt_what_an_answer_looks_like() -> None:
    asked = replace(ask(PromptSource("Which one?")), answers=3)
    body = completion_body(asked, schema=False)
    assert "response_format" not in body
    said, _, schema = user_text(body).partition("\n\nAnswer with one JSON object")
    assert said == "Which one?"
    assert json.loads(schema[schema.index("{") :]) == schema_of(3)
