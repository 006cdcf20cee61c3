"""How many tokens an ask takes at most: a bound by bytes, for no tokenizer of these models works offline.

The bytes a token: docs/providers.md#tokens-and-prices.
"""

import math

from domain.providers import PROVIDERS
from providers.limits.charging import Size
from providers.protocol import Ask


def size_of(provider: str, ask: Ask) -> Size:
    """Upper bounds: utf-8 bytes of the prompts by those of the smallest token, and max_tokens."""
    prompt_bytes = len(ask.system.encode("utf-8", "surrogatepass")) + sum(
        len(block.text.encode("utf-8", "surrogatepass")) for block in ask.blocks
    )
    return Size(math.ceil(prompt_bytes / PROVIDERS[provider].bytes_per_token), ask.max_tokens)
