"""What one call takes of each limit: expected before it, known after it; each provider counts in its own way."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from domain.providers import PROVIDERS, Adapter
from domain.reply import Usage


class Kind(StrEnum):
    """What is limited a minute. At OpenAI there is one limit of tokens: it stands under INPUT_TOKENS."""

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"


class Amounts(NamedTuple):
    """What a call takes, in the order of Kind."""

    requests: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0


@dataclass(frozen=True, slots=True)
class Size:
    """Upper bounds that are known before a call: tokens of its prompts by their bytes, and its max_tokens."""

    input_tokens: int
    output_tokens: int


class Charging(StrEnum):
    """How a provider counts (docs/providers.md#limits-and-their-headers).

    Anthropic: uncached input and real output, each against a limit of its own; output as it is made, so headers may not hold
    the call's own yet. OpenAI: max(max_tokens, its estimate of the prompt) against one limit, never corrected. Google: the
    whole input; output has no limit of its own.
    """

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"

    def before(self, size: Size, input_factor: float, output_factor: float) -> Amounts:
        """What a call is charged before it is sent; the factors are those of Calibration."""
        if self is Charging.OPENAI:
            return Amounts(1.0, max(float(size.output_tokens), size.input_tokens * input_factor), 0.0)
        output = 0.0 if self is Charging.GOOGLE else size.output_tokens * output_factor
        return Amounts(1.0, size.input_tokens * input_factor, output)

    def after(self, size: Size, usage: Usage) -> Amounts:
        """What it took, by the usage that came back."""
        if self is Charging.OPENAI:
            return Amounts(1.0, float(max(size.output_tokens, usage.prompt_tokens)), 0.0)
        output = 0.0 if self is Charging.GOOGLE else float(usage.completion_tokens)
        return Amounts(1.0, float(self.counted_input(usage)), output)

    def counted_input(self, usage: Usage) -> int:
        """The input tokens that the estimate is compared with."""
        return usage.prompt_tokens - (usage.cache_read_tokens if self is Charging.ANTHROPIC else 0)

    def charged_late(self, kind: Kind) -> bool:
        """Whether a call is charged while or after it is answered, not when it is let in."""
        return self is Charging.ANTHROPIC and kind is Kind.OUTPUT_TOKENS


_CHARGING = {
    Adapter.ANTHROPIC: Charging.ANTHROPIC,
    Adapter.OPENAI: Charging.OPENAI,
    Adapter.OPENROUTER: Charging.OPENAI,
    Adapter.GOOGLE: Charging.GOOGLE,
    Adapter.MOCK: Charging.GOOGLE,  # has no limits at all
}


def charging_of(provider: str) -> Charging:
    """How the calls of a provider count; KeyError for a name that is none."""
    return _CHARGING[PROVIDERS[provider].adapter]
