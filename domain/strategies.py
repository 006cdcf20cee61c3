"""The strategies: a pair (when a window closes, how it is sent), one row each."""

from dataclasses import dataclass
from enum import StrEnum

from domain.job import Transport


class Closes(StrEnum):
    """When a window closes."""

    AT_ONCE = "at_once"  # with each record
    ROUND = "round"  # the round is complete, else by quiet, age or size
    SCHEDULE = "schedule"  # a cron tick, or size; one window over all rounds of a provider


@dataclass(frozen=True, slots=True)
class Strategy:
    """One row of the table. mode: the wire's queue_processing_mode. bundles: calls of several comparisons each."""

    name: str
    closes: Closes
    transport: Transport
    mode: str
    bundles: bool = False

    def line_size(self, bundle_size: int, batch_bundle_size: int) -> int:
        """The most comparisons in one line of its jobs, by the two settings of a provider."""
        if self.bundles:
            return bundle_size
        return batch_bundle_size if self.transport is Transport.BATCH else 1


STRATEGIES = {
    row.name: row
    for row in (
        Strategy("per_round", Closes.ROUND, Transport.BATCH, "batch_api"),
        Strategy("serial_bundle", Closes.ROUND, Transport.CALL, "serial_bundle", bundles=True),
        Strategy("nightly", Closes.SCHEDULE, Transport.BATCH, "batch_api"),
        Strategy("per_request", Closes.AT_ONCE, Transport.CALL, "per_request"),
    )
}
DEFAULT = "per_round"


def choose(configured: str, requested_mode: object, *, honor_request_mode: bool) -> Strategy:
    """The row for one request: its own cj_llm_batching_mode where it names one, else the configured row.

    `provider_batch_api` asks for a batch: the configured row if it is one, else per_round. An unknown word leaves the
    configured row. This is the whole precedence: request, then provider, then default (Settings.strategy_for).
    """
    row = STRATEGIES[configured]
    if not honor_request_mode:
        return row
    if requested_mode == "provider_batch_api":
        return row if row.transport is Transport.BATCH else STRATEGIES["per_round"]
    if isinstance(requested_mode, str) and requested_mode in ("per_request", "serial_bundle"):
        return STRATEGIES[requested_mode]
    return row
