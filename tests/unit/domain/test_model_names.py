"""Whether an answer is of the model that was asked."""

import pytest

from domain.model_names import is_same_model


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("gpt-6-luna", "gpt-6-luna"),
        ("gpt-6-luna", ""),
        ("openai/gpt-6-luna", "openai/gpt-6-luna-2026-08-06"),
        ("anthropic/claude-haiku-5.5", "anthropic/claude-5.5-haiku-20261001"),
        ("anthropic/claude-haiku-5.5", "claude-haiku-5.5"),
        ("gemini-3.8-flash", "gemini-3.8-flash-001"),
        ("gemini-3.1-pro-preview", "models/gemini-3.1-pro-preview-11-2026"),
        ("Acme/Judge-1", "acme/judge-1"),
    ],
)
def test_a_dated_name_is_the_same_model(asked: str, said: str) -> None:
    assert is_same_model(asked, said)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("gpt-6-luna", "gpt-6-luna-mini"),
        ("gpt-6-luna", "gpt-6.1-luna"),
        ("anthropic/claude-haiku-5.5", "anthropic/claude-haiku-5.6"),
        ("anthropic/claude-haiku-4.5", "anthropic/claude-haiku-5.4"),
        ("gemini-2.5-flash", "gemini-3.5-flash-lite"),
        ("gpt-5.1", "mock-gpt-5.1"),
    ],
)
def test_another_model_is_another_model(asked: str, said: str) -> None:
    assert not is_same_model(asked, said)
