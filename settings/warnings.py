"""Warnings at start: longest waits that do not fit CJ's patience, or the nightly schedule."""

from typing import Protocol

from domain.nightly import Schedule
from domain.strategies import STRATEGIES, Closes
from settings.provider import ProviderSettings


class Waits(Protocol):
    """What is read here of the settings."""

    longest_wait_s: float
    nightly_longest_wait_s: float
    escalate_before_s: float

    @property
    def configured_providers(self) -> tuple[str, ...]:
        """Those with a key."""
        ...

    def strategy_for(self, provider: str) -> str:
        """Which strategy holds for a provider."""
        ...

    def provider(self, name: str) -> ProviderSettings:
        """A provider's own settings."""
        ...


HOUR_S = 3600.0
#: CJ gives up on a batch without activity for BATCH_TIMEOUT_HOURS, 4 by default.
CJ_PATIENCE_S = 4 * HOUR_S
#: The time that a batch job is to have between its tick and its escalation: most end within an hour, few take several.
JOB_S = 4 * HOUR_S
# A day that is the same at each start. Ticks are looked at for 400 days from it: every month, and both changes of the clocks.
_SOME_DAY_MS = 1_767_225_600_000


def warnings(settings: Waits) -> list[str]:
    """A line for each wait that does not fit; providers without a key are not looked at."""
    found = []
    if settings.longest_wait_s >= CJ_PATIENCE_S:
        found.append(
            f"ROUNDBATCH_LONGEST_WAIT_S={settings.longest_wait_s:g} is not below {CJ_PATIENCE_S:g}, after which CJ gives up on "
            "a batch: lower it, or raise CJ's BATCH_TIMEOUT_HOURS above it"
        )
    if "mock" in settings.configured_providers:
        found.append(
            "ROUNDBATCH_MOCK__ENABLED=true: requests for the provider mock get made-up answers, which are no judgement of any "
            "essay; unset it where grades depend on the results"
        )
    for name in settings.configured_providers:
        if STRATEGIES[settings.strategy_for(name)].closes is Closes.SCHEDULE:
            found += _schedule_warning(settings, name)
    return found


def _schedule_warning(settings: Waits, provider: str) -> list[str]:
    """A request that has just missed a tick must wait for the next and find time for its batch: the longest gap between two
    ticks, JOB_S and escalate_before_s must fit into the longest wait.

    JOB_S takes the place of the 24 h after which a batch expires: a batch that takes so long is escalated, and with 24 h the
    default wait of 30 h would not fit.
    """
    block, wait_s = settings.provider(provider), settings.nightly_longest_wait_s
    after_tick_s = JOB_S + settings.escalate_before_s
    # Gaps shorter than this fit, so that only longer ones are looked for.
    least_s = max(HOUR_S, wait_s - after_tick_s)
    gap_s = Schedule(block.nightly_cron, block.nightly_time_zone).longest_gap_s(_SOME_DAY_MS, least_s=least_s)
    if gap_s + after_tick_s <= wait_s:
        return []
    return [
        f"ROUNDBATCH_NIGHTLY_LONGEST_WAIT_S={wait_s:g} does not fit ROUNDBATCH_{provider.upper()}__NIGHTLY_CRON="
        f"{block.nightly_cron!r}: up to {gap_s:.0f} s between two ticks, {JOB_S:.0f} for the batch and "
        f"ROUNDBATCH_ESCALATE_BEFORE_S={settings.escalate_before_s:g} make {gap_s + after_tick_s:.0f}; with less, jobs are "
        "cancelled early and called at full price: raise it (and CJ's BATCH_TIMEOUT_HOURS), or tick more often"
    ]
