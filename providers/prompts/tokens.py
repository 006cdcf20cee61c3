"""How many tokens an ask takes at most: a bound by bytes, for no tokenizer of these models works offline.

The bytes a token: docs/providers.md#tokens-and-prices.
"""

import math

from providers.limits.charging import Size
from providers.protocol import Ask

_BYTES_PER_TOKEN = {"anthropic": 2.5, "openai": 3.0}
_SMALLEST = 2.5


def size_of(provider: str, ask: Ask) -> Size:
    """Upper bounds: utf-8 bytes of the prompts by 2.5 (Claude) or 3 (OpenAI), and max_tokens."""
    prompt_bytes = len(ask.system.encode("utf-8", "surrogatepass")) + sum(
        len(block.text.encode("utf-8", "surrogatepass")) for block in ask.blocks
    )
    return Size(math.ceil(prompt_bytes / _BYTES_PER_TOKEN.get(provider, _SMALLEST)), ask.max_tokens)
