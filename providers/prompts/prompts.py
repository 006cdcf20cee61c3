"""From a request's prompt, or those of a bundle, to what is asked under its call profile."""

from collections.abc import Sequence

from domain.comparison import CallProfile
from domain.job import Layout
from domain.providers import PROVIDERS
from providers.prompts.cache_marks import marked_where_it_pays
from providers.prompts.layouts import bundle_blocks
from providers.prompts.sources import PromptSource, SourceBlock, prompt_blocks
from providers.protocol import Ask, PromptBlock

__all__ = ["PromptSource", "SourceBlock", "ask_for", "ask_for_bundle", "prompt_blocks"]

# Output tokens of a bundle besides its answers: braces and keys. The answers' own limit is generous (400 each by default,
# 35 to 104 are used), so it pays for the rest.
BUNDLE_FRAME_TOKENS = 64
# The most that Anthropic's 5.5 models put out (`models.retrieve`): more is a 400. Gemini's put out a little more.
MOST_OUTPUT_TOKENS = 64_000


def ask_for(
    custom_id: str,
    source: PromptSource,
    profile: CallProfile,
    *,
    default_max_tokens: int,
    expected_reads: int | None = None,
) -> Ask:
    """The ask of one comparison under its call profile; `default_max_tokens` where the profile names no limit.

    `expected_reads`: how often the leading static block will be read from the cache while it lives there; None leaves the
    mark as the request says.
    """
    most = default_max_tokens if profile.max_tokens is None else profile.max_tokens
    return _ask(custom_id, prompt_blocks(source), profile, max_tokens=most, answers=1, expected_reads=expected_reads)


def ask_for_bundle(
    custom_id: str,
    sources: Sequence[PromptSource],
    profile: CallProfile,
    *,
    layout: Layout,
    default_max_tokens: int,
    expected_reads: int | None = None,
) -> tuple[Ask, str]:
    """The ask of 1 to 64 comparisons of one call profile, in slot order, and the layout that was used.

    One comparison alone is asked as `ask_for` asks it. `max_tokens` is that of one comparison times their number, and 64, up
    to what models put out at most.
    """
    each = default_max_tokens if profile.max_tokens is None else profile.max_tokens
    most = each
    if len(sources) > 1:
        most = max(each, min(each * len(sources) + BUNDLE_FRAME_TOKENS, MOST_OUTPUT_TOKENS))
    blocks, used = bundle_blocks(sources, layout)
    ask = _ask(custom_id, blocks, profile, max_tokens=most, answers=len(sources), expected_reads=expected_reads)
    return ask, used


def _ask(
    custom_id: str,
    blocks: tuple[PromptBlock, ...],
    profile: CallProfile,
    *,
    max_tokens: int,
    answers: int,
    expected_reads: int | None,
) -> Ask:
    if expected_reads is not None and PROVIDERS[profile.provider].cache_marks:
        blocks = marked_where_it_pays(blocks, profile.model, profile.system_prompt, expected_reads)
    return Ask(
        custom_id=custom_id,
        model=profile.model,
        system=profile.system_prompt,
        blocks=blocks,
        max_tokens=max_tokens,
        temperature=profile.temperature,
        reasoning_effort=profile.reasoning_effort,
        output_verbosity=profile.output_verbosity,
        answers=answers,
    )
