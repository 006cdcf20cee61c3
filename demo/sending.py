"""How the demo's rounds are sent: strategy and layout of bundles, as settings of its worker and as mode of its requests."""

from dataclasses import dataclass

from domain.job import Transport
from domain.strategies import DEFAULT, STRATEGIES, Closes

#: A night every 3 s: often enough for ten rounds in a minute, and seldom enough for a window to be seen waiting.
NIGHT_CRON = "*/3 * * * * *"
PROVIDERS = ("ANTHROPIC", "OPENAI")


@dataclass(frozen=True, slots=True)
class Sending:
    """A row of the strategy table, and a layout (`auto`, `verbatim`, `shared_essays`), which matters only to bundles."""

    strategy: str = DEFAULT
    layout: str = "auto"

    @property
    def settings(self) -> dict[str, str]:
        """The worker's environment variables."""
        blocks = {"BUNDLE_LAYOUT": self.layout}
        if STRATEGIES[self.strategy].closes is Closes.SCHEDULE:
            blocks["NIGHTLY_CRON"] = NIGHT_CRON
        return {"ROUNDBATCH_LLM_BATCHING_STRATEGY": self.strategy} | {
            f"ROUNDBATCH_{provider}__{name}": value for provider in PROVIDERS for name, value in blocks.items()
        }

    @property
    def mode(self) -> str:
        """The cj_llm_batching_mode that leaves the strategy as it is, as the CJ service would send it beside such a worker."""
        row = STRATEGIES[self.strategy]
        return "provider_batch_api" if row.transport is Transport.BATCH else row.mode
