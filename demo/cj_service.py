"""The CJ service's part: send a round of each cj_batch, take the results, send the next one when all have come."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from pydantic import ValidationError

from demo.cj_batch import CJBatch
from streams.wire import request_events, results

#: How long results are still taken after the last one has come: a second one of the same comparison would come within a moment.
LINGER_S = 1.0
WAIT_S = 0.1


class Exchange(Protocol):
    """Kafka, as the service uses it."""

    def send(self, key: bytes, value: bytes) -> None:
        """Send a request record; returns when it is acknowledged."""

    def receive(self, wait_s: float) -> list[bytes]:
        """The values of the result events that came, after at most `wait_s` seconds."""


def play(
    batches: Sequence[CJBatch],
    exchange: Exchange,
    *,
    timeout_s: float,
    now: Callable[[], float],
    watch: Callable[[], None],
) -> Iterator[bytes]:
    """Play all cj_batches at once and yield the value of every result event of theirs, as it came.

    Ends LINGER_S after the last answer, or `timeout_s` after the start; the cj_batches then tell what is missing. `now` is a
    clock in seconds; `watch` is called between any two looks at Kafka, and may raise. An event that does not fit the
    contract's model is dropped, as CJ drops it, and its comparison stays missing.
    """
    deadline = now() + timeout_s
    _ask(batches, exchange)
    while not all(batch.finished for batch in batches) and now() < deadline:
        yield from _take(batches, exchange)
        _ask(batches, exchange)
        watch()
    end = now() + LINGER_S
    while now() < end:
        yield from _take(batches, exchange)
    watch()


def _ask(batches: Sequence[CJBatch], exchange: Exchange) -> None:
    for batch in batches:
        if batch.round_answered and not batch.finished:
            exchange.send(batch.cj_batch_id.encode(), request_events.round_event(batch.next_round()))


def _take(batches: Sequence[CJBatch], exchange: Exchange) -> Iterator[bytes]:
    for value in exchange.receive(WAIT_S):
        try:
            result = results.ResultEvent.model_validate_json(value).data
        except ValidationError:
            # Another producer's event, on a Kafka of the user's own, or an event that breaks the contract.
            continue
        if any(batch.take(result) for batch in batches):
            yield value
