"""How many tokens an ask takes at most: no tokenizer of these models works offline, so a bound by bytes (providers.md)."""

import math

from providers.protocol import Ask

_BYTES_PER_TOKEN = {"anthropic": 2.5, "openai": 3.0}
_SMALLEST = 2.5


def most_tokens(provider: str, ask: Ask) -> int:
    """An upper bound of input plus output tokens: utf-8 bytes of the prompts by 2.5 (Claude) or 3 (OpenAI), and max_tokens."""
    prompt_bytes = len(ask.system.encode()) + sum(len(block.text.encode()) for block in ask.blocks)
    return math.ceil(prompt_bytes / _BYTES_PER_TOKEN.get(provider, _SMALLEST)) + ask.max_tokens
