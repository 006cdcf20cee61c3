"""One cell of the comparison: a strategy at a provider's account under a workload, and the worker's settings for it."""

from dataclasses import dataclass, replace

from compare.limits import SIZES, AccountSize
from compare.pace import Pace
from compare.workload import WORKLOADS, Workload
from domain.job import Layout, Transport
from domain.strategies import STRATEGIES, Closes, Strategy

MODELS = {"anthropic": "claude-haiku-5-5", "openai": "gpt-6-luna"}
BUNDLE_SIZES = (4, 8, 16, 32)
LONG_LINES = (16, 32, 64)  # of batch jobs for a dense round; a round of 12 fills none
LAYOUTS: tuple[Layout, ...] = ("verbatim", "shared_essays")
LIVE = "live"  # the account of a case that is run at a real provider
DAY_S = 86_400.0
# Nightly work is asked for at 16:00, when lessons are over; its window closes at 01:00.
UNTIL_NIGHT_S = 9 * 3600.0


@dataclass(frozen=True, slots=True)
class Case:
    """One cell. bundle_size: comparisons in one call, or in one line of a batch job; layout: "" where nothing is bundled."""

    strategy: str
    provider: str
    account: str
    workload: str
    bundle_size: int = 1
    layout: Layout | None = None
    rounds: int | None = None  # None: as many as the workload has

    @property
    def row(self) -> Strategy:
        """The row of the strategy table."""
        return STRATEGIES[self.strategy]

    @property
    def model(self) -> str:
        """The small model of the provider, whose times are recorded."""
        return MODELS[self.provider]

    @property
    def batched(self) -> bool:
        """Whether it goes as batch jobs."""
        return self.row.transport is Transport.BATCH

    @property
    def live(self) -> bool:
        """Whether a real provider is asked."""
        return self.account == LIVE

    @property
    def nightly(self) -> bool:
        """Whether it waits for a night."""
        return self.row.closes is Closes.SCHEDULE

    @property
    def mode(self) -> str:
        """The cj_llm_batching_mode that leaves the strategy as configured."""
        return "provider_batch_api" if self.batched else self.row.mode

    @property
    def limits(self) -> AccountSize:
        """What its account permits."""
        return SIZES[self.account]

    @property
    def work(self) -> Workload:
        """What is asked."""
        work = WORKLOADS[self.workload]
        return work if self.rounds is None else replace(work, rounds=self.rounds)

    @property
    def name(self) -> str:
        """The case in one word, for logs and file names."""
        bundles = f"-{self.bundle_size}-{self.layout}" if self.layout else ""
        return f"{self.workload}-{self.account}-{self.strategy}{bundles}-{self.provider}"

    def at(self, provider: str) -> "Case":
        """The same case at another provider."""
        return replace(self, provider=provider)

    def settings(self, pace: Pace) -> dict[str, str]:
        """The worker's environment variables; times that depend on the provider's pace are scaled with it.

        The account's limits are not among them: the worker learns them from the headers, as it must when nobody has set them.
        """
        scaled = {
            "POLL_FIRST_S": 5.0 / pace.scale,
            "POLL_MAX_S": 300.0 / pace.scale,
        }
        block: dict[str, object] = dict(scaled)
        if self.layout:
            block["BUNDLE_LAYOUT"] = self.layout
            block["BATCH_BUNDLE_SIZE" if self.batched else "BUNDLE_SIZE"] = self.bundle_size
        if self.nightly:
            block["NIGHTLY_CRON"] = night_cron(pace.scale)
        of_all = {
            "ROUNDBATCH_LLM_BATCHING_STRATEGY": self.strategy,
            "ROUNDBATCH_TESTING__LIMITS_MINUTE_S": str(60.0 / pace.scale),
        }
        return of_all | {f"ROUNDBATCH_{self.provider.upper()}__{name}": str(value) for name, value in block.items()}


def night_cron(scale: float) -> str:
    """01:00 each day; in a run whose day lasts a minute, the second second of each minute."""
    _check_night(scale)
    return "0 1 * * *" if scale == 1 else "2 * * * * *"


def asked_at_s(scale: float) -> float:
    """When nightly work is asked, in seconds after midnight; where a day lasts a minute, after a full minute."""
    _check_night(scale)
    return 16 * 3600.0 if scale == 1 else 62.0 - UNTIL_NIGHT_S / scale


def _check_night(scale: float) -> None:
    if scale not in (1, DAY_S / 60):
        raise ValueError(f"a night at scale {scale:g}: only 1 and {DAY_S / 60:g} (a day a minute) have a cron expression")


def all_cases() -> list[Case]:
    """Every cell, in the order of the report."""
    ways: list[tuple[str, int, Layout | None]] = [("per_request", 1, None)]
    ways += [("serial_bundle", size, layout) for layout in LAYOUTS for size in BUNDLE_SIZES]
    ways += [("per_round", 1, None), ("per_round", 8, "shared_essays"), ("nightly", 1, None)]
    dense: list[tuple[str, int, Layout | None]] = [("per_round", size, "shared_essays") for size in LONG_LINES]
    return [
        Case(strategy, provider, account, workload, size, layout)
        for workload in WORKLOADS
        for account in SIZES
        for provider in MODELS
        for strategy, size, layout in (*ways, *(dense if workload == "dense" else ()))
    ]
