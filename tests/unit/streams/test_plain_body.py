"""Plain bodies are read by msgspec: the values and the content hash are those of pydantic and of Python's JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import from_json

from streams.wire import requests
from streams.wire.comparison_body import CallOverrides, ComparisonBody
from streams.wire.comparison_body import PromptBlock as Block
from streams.wire.plain_body import PlainBody, plain_body, plain_content

BODY: dict[str, Any] = json.loads((Path(__file__).parents[2] / "examples" / "request_http_body.json").read_text())
UUIDS = (
    "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "6F9619FF8B864D01B42D00CF4FC964FF",
    "{6f9619ff-8b86-4d01-b42d-00cf4fc964ff}",
    "x",
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    [
        "",
        " ",
        "\u00a0\u2028",
        "a\x7f",
        "å",
        "😀",
        '\x00\x1f\\"/\n',
        "5m",
        "1h",
        "user_content",
        "none",
        "low",
        "high",
        "1",
        "0.5",
        "true",
        *UUIDS,
    ]
)
numbers = (
    st.integers()
    | st.integers(0, 2)
    | st.floats()
    | st.floats(0, 2)
    | st.sampled_from([0.0, -0.0, 1e-4, 9.9e-5, 1e-7, 5.0, 1 << 70])
)
plain = st.none() | st.booleans() | texts | numbers
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
NAMES = {
    "prompt_blocks": tuple(Block.model_fields),
    "llm_config_overrides": tuple(CallOverrides.model_fields),
    "": (*ComparisonBody.model_fields, "more"),
}


def with_some(names: tuple[str, ...], base: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The base with some of its fields given another value or taken away."""
    changed = st.dictionaries(st.sampled_from(names), anything, max_size=2)
    left_out = st.sets(st.sampled_from(names), max_size=2)
    return st.builds(lambda new, gone: {k: v for k, v in {**base, **new}.items() if k not in gone}, changed, left_out)


blocks = st.lists(with_some(NAMES["prompt_blocks"], BODY["prompt_blocks"][0]), max_size=2) | st.none()
overrides = with_some(NAMES["llm_config_overrides"], {}) | st.none()
metadata = st.dictionaries(texts, plain, max_size=4)
bodies = st.builds(
    lambda body, parts: {**body, **parts},
    with_some(NAMES[""], BODY),
    st.fixed_dictionaries({}, optional={"prompt_blocks": blocks, "llm_config_overrides": overrides, "metadata": metadata}),
)


def as_read(value: Any) -> Any:
    """What comes out of a record's bytes."""
    try:
        return from_json(json.dumps(value), allow_inf_nan=False)
    except ValueError:
        assume(False)


@settings(max_examples=400, deadline=None)
@given(bodies)
def test_a_body_that_is_plain_is_right_and_has_the_same_values(body: dict[str, Any]) -> None:
    raw = as_read(body)
    read = plain_body(raw)
    if read is None:
        return
    checked = ComparisonBody.model_validate(raw)  # raises where pydantic takes less
    assert fields(read) == fields(checked)


def fields(body: PlainBody | ComparisonBody) -> Any:
    """All values, with their types: True is 1 to Python, and 1 is 1.0."""
    of = body.llm_config_overrides
    blocks = [repr([getattr(block, name) for name in Block.model_fields]) for block in body.prompt_blocks or ()]
    overrides = repr([getattr(of, name) for name in CallOverrides.model_fields])
    own = [getattr(body, name) for name in ("user_prompt", "callback_topic", "correlation_id", "user_id", "metadata")]
    return blocks, body.prompt_blocks is None, overrides, repr(own)


@settings(max_examples=400, deadline=None)
@given(bodies)
def test_the_content_that_is_hashed_is_the_same(body: dict[str, Any]) -> None:
    raw = as_read(body)
    read = plain_body(raw)
    content = None if read is None else plain_content(raw, read)
    assert content is None or (content, True) == requests._canonical(raw)


@settings(max_examples=200, deadline=None)
@given(texts | st.text(st.characters(exclude_categories=["Cs"])), st.dictionaries(texts, texts | st.integers(), max_size=5))
def test_the_content_of_any_prompt_and_metadata(prompt: str, metadata: dict[str, Any]) -> None:
    raw = as_read({**BODY, "user_prompt": f"a{prompt}", "metadata": metadata})
    read = plain_body(raw)
    assert read is not None
    content = plain_content(raw, read)
    assert content is None or (content, True) == requests._canonical(raw)


def test_what_is_usually_sent_is_plain() -> None:
    read = plain_body(as_read(BODY))
    assert read is not None
    assert plain_content(as_read(BODY), read) is None  # "…" is beyond ASCII
    raw = as_read({**BODY, "user_prompt": "a", "prompt_blocks": None})
    assert plain_content(raw, read) is not None


def test_what_pydantic_reads_otherwise_is_left_to_it() -> None:
    for change in ({"metadata": {"weight": 0.5}}, {"user_id": None, "more": 1}, {"user_prompt": "\u00a0"}):
        assert plain_body({**BODY, **change}) is None
    assert plain_body({**BODY, "llm_config_overrides": {"max_tokens_override": 5.0}}) is None
    with pytest.raises(ValidationError):
        ComparisonBody.model_validate({**BODY, "user_prompt": "\u00a0"})
