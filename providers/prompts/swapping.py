"""The swapped prompt of a comparison: the same two essays, each under the other's heading."""

from domain.comparison import BLOCK_JOINT
from providers.prompts.layouts import essay_texts
from providers.prompts.sources import PromptSource, SourceBlock


def swapped(source: PromptSource) -> PromptSource | None:
    """The prompt with the essays' IDs and texts exchanged; None where its blocks do not tell the essays apart.

    Everything else stays, character for character. An answer to it is turned back when it is read: its A is the request's B.
    """
    texts = essay_texts(source)
    if texts is None or source.blocks is None:
        return None
    (first, first_text), (second, second_text) = texts
    at = next(place for place, block in enumerate(source.blocks) if not block.cacheable)
    turned = (f"**Essay A (ID: {second}):**{second_text}", f"**Essay B (ID: {first}):**{first_text}")
    blocks = list(source.blocks)
    for place, content in enumerate(turned, start=at):
        blocks[place] = SourceBlock(content, cacheable=False, ttl=blocks[place].ttl)
    return PromptSource(BLOCK_JOINT.join(block.content for block in blocks), tuple(blocks))
