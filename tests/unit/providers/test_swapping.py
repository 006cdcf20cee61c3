"""The swapped prompt: the essays change places, and nothing else changes."""

import pytest

from providers.prompts.layouts import essay_texts
from providers.prompts.sources import PromptSource, SourceBlock
from providers.prompts.swapping import swapped


def source(*blocks: tuple[str, bool]) -> PromptSource:
    made = tuple(SourceBlock(text, cacheable, "1h") for text, cacheable in blocks)
    return PromptSource("\n\n".join(block.content for block in made), made)


PLAIN = source(
    ("Criteria.", True),
    ("**Essay A (ID: x):**\nText of x, which names Essay B.", False),
    ("**Essay B (ID: y):**\nText of y", False),
    ("Pick one.", True),
)


def test_texts_and_ids_change_places_under_the_headings() -> None:
    turned = swapped(PLAIN)
    assert turned is not None
    assert turned.user_prompt == (
        "Criteria.\n\n**Essay A (ID: y):**\nText of y\n\n**Essay B (ID: x):**\nText of x, which names Essay B.\n\nPick one."
    )
    assert essay_texts(turned) == (("y", "\nText of y"), ("x", "\nText of x, which names Essay B."))
    assert [(block.cacheable, block.ttl) for block in turned.blocks or ()] == [
        (block.cacheable, block.ttl) for block in PLAIN.blocks or ()
    ]
    assert swapped(turned) == PLAIN


@pytest.mark.parametrize(
    "unusable",
    [
        PromptSource(PLAIN.user_prompt),
        source(("Criteria.", True), ("Essay A\nText", False), ("Essay B\nText", False), ("Pick one.", True)),
        source(("**Essay A (ID: x):**\nText", False), ("**Essay B (ID: y):**\nText", False)),
    ],
)
def test_without_usable_blocks_there_is_none(unusable: PromptSource) -> None:
    assert swapped(unusable) is None
