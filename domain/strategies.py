"""The strategies: a pair (when a window closes, how it is sent), one row each."""

from dataclasses import dataclass

from domain.job import Transport


@dataclass(frozen=True, slots=True)
class Strategy:
    """One row of the table.

    at_once: a window closes with each record. Otherwise it closes when its round is complete, else by quiet, age or size.
    mode: the wire's queue_processing_mode.
    """

    name: str
    transport: Transport
    mode: str
    at_once: bool


STRATEGIES = {
    "per_round": Strategy("per_round", Transport.BATCH, "batch_api", at_once=False),
    "per_request": Strategy("per_request", Transport.CALL, "per_request", at_once=True),
}
DEFAULT = "per_round"


def choose(configured: str, requested_mode: object, *, honor_request_mode: bool) -> Strategy:
    """The row for one request: its own cj_llm_batching_mode where it names one, else the configured row.

    `provider_batch_api` asks for a batch: the configured row if it is one, else per_round. A mode without a row of ours
    (an unknown word) leaves the configured row.
    """
    row = STRATEGIES[configured]
    if not honor_request_mode:
        return row
    if requested_mode == "provider_batch_api":
        return row if row.transport is Transport.BATCH else STRATEGIES["per_round"]
    if isinstance(requested_mode, str) and requested_mode in ("per_request", "serial_bundle"):
        return STRATEGIES.get(requested_mode, row)
    return row
