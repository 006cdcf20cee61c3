"""How the demo's CJ service asks, and how its rounds are sent: as settings of the worker, and as mode of the requests."""

from dataclasses import dataclass

from domain.job import Transport
from domain.providers import PROVIDERS
from domain.strategies import DEFAULT, STRATEGIES, Closes

#: A night every 3 s: often enough for ten rounds in a minute, and seldom enough for a window to be seen waiting.
NIGHT_CRON = "*/3 * * * * *"
#: Without hints a wave's window closes when it is quiet. The waves of a demo are posted in a fraction of this.
QUIET_S = 0.5


@dataclass(frozen=True, slots=True)
class Judge:
    """Who judges one assignment. folder: of `examples/essays/`; essays: how many of its first ones take part, None for all."""

    provider: str
    model: str
    folder: str
    essays: int | None = None


JUDGES = (Judge("anthropic", "claude-haiku-5-5", "better-future"), Judge("openai", "gpt-6-luna", "school-start"))
#: The other providers that CJ may name, with half an assignment each.
MORE_JUDGES = (
    Judge("google", "gemini-3.8-flash", "better-future", 12),
    Judge("openrouter", "anthropic/claude-haiku-5.5", "school-start", 12),
    Judge("mock", "mock", "better-future", 12),
)


@dataclass(frozen=True, slots=True)
class Sending:
    """A row of the strategy table, a layout (`auto`, `verbatim`, `shared_essays`), which matters only to bundles; CJ's way in.

    judging: traits of the simulated judge, as `judge_slope=6`. audit: USD for shadow audits per USD that comparisons cost.
    http: CJ posts each comparison to the gateway, as today's CJ does by default: without hints, so that the worker's strategy
    holds. All providers are asked. Otherwise it writes each round into the request topic, and asks two.
    """

    strategy: str = DEFAULT
    layout: str = "auto"
    http: bool = False
    judging: tuple[str, ...] = ()
    audit: float = 0.0

    @property
    def judges(self) -> tuple[Judge, ...]:
        """Who judges what."""
        return (*JUDGES, *MORE_JUDGES) if self.http else JUDGES

    @property
    def settings(self) -> dict[str, str]:
        """The worker's environment variables."""
        row = STRATEGIES[self.strategy]
        found = {"ROUNDBATCH_LLM_BATCHING_STRATEGY": self.strategy}
        if self.http:
            found["ROUNDBATCH_QUIET_S"] = str(QUIET_S)
        if self.audit:
            found["ROUNDBATCH_AUDIT__SHARE"] = str(self.audit)
        for judge in self.judges:
            blocks = {"BUNDLE_LAYOUT": self.layout}
            if row.closes is Closes.SCHEDULE:
                blocks["NIGHTLY_CRON"] = NIGHT_CRON
            if row.transport is Transport.BATCH and not PROVIDERS[judge.provider].batches:
                blocks["LLM_BATCHING_STRATEGY"] = "per_request"
            if judge.provider == "mock":
                blocks["ENABLED"] = "true"
            found |= {f"ROUNDBATCH_{judge.provider.upper()}__{name}": value for name, value in blocks.items()}
        return found

    @property
    def mode(self) -> str | None:
        """The cj_llm_batching_mode that leaves the strategy as it is, as the CJ service would send it beside such a worker.

        None: CJ sends no hints.
        """
        if self.http:
            return None
        row = STRATEGIES[self.strategy]
        return "provider_batch_api" if row.transport is Transport.BATCH else row.mode
