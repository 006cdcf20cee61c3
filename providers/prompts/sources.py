"""A request's prompt, and where it may be cut: which blocks are sent, which of them carries the cache mark.

The text that is sent is the `user_prompt`, character for character, at every provider; blocks only say where it may be cut.
"""

from typing import Literal

from msgspec import Struct

from domain.comparison import BLOCK_JOINT
from providers.protocol import PromptBlock


class SourceBlock(Struct, frozen=True, gc=False):
    """One of a request's `prompt_blocks`."""

    content: str
    cacheable: bool = False
    ttl: Literal["5m", "1h"] = "5m"


class PromptSource(Struct, frozen=True, gc=False):
    """What a request says of its prompt; `blocks` None where it came without them."""

    user_prompt: str
    blocks: tuple[SourceBlock, ...] | None = None


def prompt_blocks(source: PromptSource) -> tuple[PromptBlock, ...]:
    """One block, or two: the leading static block with the cache mark, and the rest. Their texts add up to user_prompt.

    Only the cacheable blocks at the very start are a prefix that the comparisons of a round share. A mark behind an essay would
    be paid (1.25x) and never read, since no other prompt begins so; the same is true of a prompt that is cacheable to its end.
    Blocks that do not join to the user_prompt are not used.
    """
    whole = (PromptBlock(source.user_prompt),)
    blocks = source.blocks or ()
    if BLOCK_JOINT.join(block.content for block in blocks) != source.user_prompt:
        return whole
    leading = next((index for index, block in enumerate(blocks) if not block.cacheable), len(blocks))
    if not 0 < leading < len(blocks):
        return whole
    # The joint belongs to the static block: it follows it in every prompt, so the cached prefix stays the same.
    head = BLOCK_JOINT.join(block.content for block in blocks[:leading]) + BLOCK_JOINT
    tail = source.user_prompt[len(head) :]
    if not head.strip() or not tail.strip():  # a text block without a visible character is refused with 400
        return whole
    ttl: Literal["5m", "1h"] = "1h" if all(block.ttl == "1h" for block in blocks[:leading]) else "5m"
    return PromptBlock(head, cacheable=True, ttl=ttl), PromptBlock(tail)
