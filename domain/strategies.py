"""The strategies. Each is one row of a table: when a window closes, and how it is sent."""

from dataclasses import dataclass
from enum import StrEnum

from domain.job import Transport


class Closes(StrEnum):
    """When a window closes."""

    AT_ONCE = "at_once"  # as soon as the record that opened it is acknowledged
    ROUND = "round"  # when the round is complete; otherwise by quiet time, age or size
    SCHEDULE = "schedule"  # at a cron tick, or by size; one window for all rounds of a provider


@dataclass(frozen=True, slots=True)
class Strategy:
    """One row. mode: queue_processing_mode on the wire. bundles: whether a call holds several comparisons."""

    name: str
    closes: Closes
    transport: Transport
    mode: str
    bundles: bool = False

    def line_size(self, bundle_size: int, batch_bundle_size: int) -> int:
        """The most comparisons in one line of a job, by a provider's settings BUNDLE_SIZE and BATCH_BUNDLE_SIZE."""
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
BATCH_MODE = "provider_batch_api"  # a request's wish for a batch, as the wire calls it


def choose(configured: str, requested_mode: object, *, honor_request_mode: bool, batches: bool = True) -> Strategy:
    """The strategy of one request: the one that its cj_llm_batching_mode names, otherwise the configured one.

    The mode `provider_batch_api` asks for a batch: that gives the configured strategy if it sends batches, and per_round if
    not; where the provider takes no batch jobs (`batches` False), the configured one. An unknown word gives the configured
    strategy. `configured` is the provider's setting or the default one (Settings.strategy_for), so the whole precedence is:
    request, provider, default.
    """
    row = STRATEGIES[configured]
    if not honor_request_mode:
        return row
    if requested_mode == BATCH_MODE:
        return row if row.transport is Transport.BATCH or not batches else STRATEGIES["per_round"]
    if isinstance(requested_mode, str) and requested_mode in ("per_request", "serial_bundle"):
        return STRATEGIES[requested_mode]
    return row


def misses_its_batch(requested_mode: object, *, honor_request_mode: bool, batches: bool) -> bool:
    """Whether a request asks for a batch, and its provider takes none."""
    return not batches and honor_request_mode and requested_mode == BATCH_MODE
