"""Cache marks: only where the prefix is long enough for the model, and where writing it once and reading it pays."""

import json

import pytest
from msgspec.structs import replace

from domain.comparison import CallProfile
from domain.reply import Usage
from providers.anthropic import wire as anthropic_wire
from providers.openai import wire as openai_wire
from providers.prompts.cache_marks import marked_where_it_pays, pays, shortest_prefix_tokens
from providers.prompts.prompts import PromptSource, SourceBlock, ask_for, ask_for_bundle
from providers.protocol import Ask, PromptBlock

MODEL = "claude-haiku-5-5"
PROFILE = CallProfile("anthropic", MODEL, "topic", "Judge.")
LONG = "Criteria. " * 300  # 3,000 bytes: at least 600 tokens


def source(static: str = LONG, *, cacheable: bool = True, ttl: str = "5m") -> PromptSource:
    blocks = (
        SourceBlock(static, cacheable=cacheable, ttl="1h" if ttl == "1h" else "5m"),
        SourceBlock("**Essay A (ID: a):**\nA"),
        SourceBlock("**Essay B (ID: b):**\nB"),
        SourceBlock("Pick.", cacheable=True),
    )
    return PromptSource("\n\n".join(block.content for block in blocks), blocks)


def ask(source: PromptSource, expected_reads: int | None, profile: CallProfile = PROFILE) -> Ask:
    return ask_for("job-1-0", source, profile, default_max_tokens=400, expected_reads=expected_reads)


def marks(ask: Ask) -> list[str]:
    params = anthropic_wire.message_params(ask, lambda parameter, model: None)
    placed = json.dumps(params.get("system")) + json.dumps(params["messages"])
    return [part.split('"')[0] for part in placed.split('"ttl": "')[1:]]


@pytest.mark.parametrize(
    ("ttl", "reads", "worth"),
    [("5m", 0, False), ("5m", 1, True), ("1h", 0, False), ("1h", 1, False), ("1h", 2, True), ("5m", 287, True)],
)
def test_by_the_price_table_a_write_costs_a_quarter_or_the_whole_more(ttl: str, reads: int, worth: bool) -> None:
    assert pays(MODEL, ttl, reads) is worth
    assert marks(ask(source(ttl=ttl), reads)) == ([ttl, ttl] if worth else [])


def test_without_an_expectation_it_is_as_the_request_says() -> None:
    assert marks(ask(source("short"), None)) == ["5m", "5m"]
    assert marks(ask(source(ttl="1h"), None)) == ["1h", "1h"]
    assert marks(ask(source(cacheable=False), None)) == []


def test_the_request_is_never_overruled_towards_a_mark() -> None:
    assert marks(ask(source(cacheable=False), 100)) == []


@pytest.mark.parametrize(("length", "marked"), [(2_551, False), (2_552, True)])
def test_the_prefix_counts_with_its_system_prompt_at_five_bytes_a_token(length: int, marked: bool) -> None:
    # 6 bytes of system prompt and 2 of the blank line behind the block: 2,560 bytes are 512 tokens.
    assert bool(marks(ask(source("x" * length), 10))) is marked


@pytest.mark.parametrize(
    ("model", "tokens"), [(MODEL, 512), ("claude-sonnet-5-5-20261014", 512), ("claude-haiku-4-5-20251001", 4_096)]
)
def test_the_shortest_prefix_is_the_models(model: str, tokens: int) -> None:
    assert shortest_prefix_tokens(model) == tokens
    profile = replace(PROFILE, model=model)
    assert bool(marks(ask(source(), 10, profile))) is (tokens == 512)
    assert marks(ask(source(LONG * 7), 10, profile)) == ["5m", "5m"]


def test_a_model_without_a_price_is_not_marked() -> None:
    assert not pays("claude-unheard-of-5-5", "5m", 100)


def test_openai_has_no_marks_and_is_left_alone() -> None:
    profile = replace(PROFILE, provider="openai", model="gpt-6-luna")
    assert ask(source("short"), 0, profile) == ask(source("short"), None, profile)


def test_a_bundle_is_marked_by_the_same_rule() -> None:
    def bundle(expected_reads: int | None) -> Ask:
        return ask_for_bundle(
            "j-0", [source()] * 3, PROFILE, layout="auto", default_max_tokens=400, expected_reads=expected_reads
        )[0]

    assert [marks(bundle(reads)) for reads in (None, 0, 5)] == [["5m", "5m"], [], ["5m", "5m"]]


def test_only_the_mark_goes_never_the_text() -> None:
    blocks = (PromptBlock(LONG, cacheable=True, ttl="1h"), PromptBlock("essays"))
    assert marked_where_it_pays(blocks, MODEL, "", 0) == (PromptBlock(LONG, ttl="1h"), PromptBlock("essays"))


def test_cached_tokens_are_read_from_usage_at_both() -> None:
    assert anthropic_wire.usage_of(
        {"input_tokens": 10, "cache_read_input_tokens": 600, "cache_creation_input_tokens": 30, "output_tokens": 5}
    ) == Usage(
        640,
        5,
        600,
        30,
        {"input_tokens": 10, "cache_read_input_tokens": 600, "cache_creation_input_tokens": 30, "output_tokens": 5},
    )
    usage = openai_wire.usage_of(
        {"prompt_tokens": 2_000, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1_024}}
    )
    assert (usage.prompt_tokens, usage.cache_read_tokens) == (2_000, 1_024)
