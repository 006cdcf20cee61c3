"""Whether a prompt cache pays at Anthropic: by the model's shortest prefix and the price table.

OpenAI caches by itself, without a mark and without a price for writing.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from domain.reply import Usage
from providers.prices import LISTED
from providers.protocol import PromptBlock

# The shortest prefix that is cached, in tokens (docs/providers.md#prompt-caching); older models need up to 4,096.
_SHORTEST_55 = 512
_SHORTEST_OTHER = 4_096
# No tokenizer of these models works offline. No text has more bytes a token than this, so a prefix that is long enough by this
# count really is. (For limits the error must be on the other side: there it is 2.5, in providers.prompts.tokens.)
_MOST_BYTES_PER_TOKEN = 5
# Any number of tokens gives the same ratio of prices, below the sizes at which long prompts cost more.
_SAMPLE_TOKENS = 10_000


def marked_where_it_pays(
    blocks: Sequence[PromptBlock], model: str, system: str, expected_reads: int
) -> tuple[PromptBlock, ...]:
    """The blocks; a mark is kept only where the model caches a prefix of that length, and where caching makes it cheaper.

    A mark is written once and read `expected_reads` times within its lifetime. The system prompt belongs to the prefix; its
    own mark follows that of the block (`providers.anthropic.wire.message_params`).
    """
    prefix_bytes = len(system.encode("utf-8", "surrogatepass"))
    kept = []
    for block in blocks:
        prefix_bytes += len(block.text.encode("utf-8", "surrogatepass"))
        if block.cacheable and not (_long_enough(model, prefix_bytes) and pays(model, block.ttl, expected_reads)):
            block = replace(block, cacheable=False)
        kept.append(block)
    return tuple(kept)


def shortest_prefix_tokens(model: str) -> int:
    """Tokens below which this model caches nothing."""
    return _SHORTEST_55 if model.endswith("-5-5") or "-5-5-" in model else _SHORTEST_OTHER


def _long_enough(model: str, prefix_bytes: int) -> bool:
    return prefix_bytes // _MOST_BYTES_PER_TOKEN >= shortest_prefix_tokens(model)


def pays(model: str, ttl: str, expected_reads: int) -> bool:
    """Whether one write and so many reads cost less than as many plain inputs; False for a model without a price."""
    tokens = _SAMPLE_TOKENS
    long_lived = {"cache_creation": {"ephemeral_1h_input_tokens": tokens}} if ttl == "1h" else None
    plain = LISTED.cost_usd("anthropic", model, Usage(tokens), batch=False)
    written = LISTED.cost_usd("anthropic", model, Usage(tokens, cache_creation_tokens=tokens, raw=long_lived), batch=False)
    read = LISTED.cost_usd("anthropic", model, Usage(tokens, cache_read_tokens=tokens), batch=False)
    if plain is None or written is None or read is None:
        return False
    return written + expected_reads * read < (1 + expected_reads) * plain
