"""The CJ service's part: ask a round of each cj_batch, take the results, ask the next one when all have come."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from pydantic import ValidationError

from demo.cj_batch import CJBatch
from demo.comparison import Body
from streams.wire import request_events, results

#: How long results are still taken after the last one has come: a second one of the same comparison would come within a moment.
LINGER_S = 1.0
WAIT_S = 0.1


class Requests(Protocol):
    """The way in for requests: the topic, or the HTTP gateway before it."""

    def ask(self, cj_batch_id: str, bodies: Sequence[Body]) -> None:
        """Hand over a round of a cj_batch; returns when it is accepted."""


class Exchange(Protocol):
    """Kafka, as the service uses it."""

    def send(self, key: bytes, value: bytes) -> None:
        """Send a request record; returns when it is acknowledged."""

    def receive(self, wait_s: float) -> list[bytes]:
        """The values of the result events that came, after at most `wait_s` seconds."""


class RoundRecords:
    """The topic as the way in: each round is one record, keyed by its cj_batch."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def ask(self, cj_batch_id: str, bodies: Sequence[Body]) -> None:
        """Send the round's record; returns when it is acknowledged."""
        self._exchange.send(cj_batch_id.encode(), request_events.round_event(bodies))


def play(
    batches: Sequence[CJBatch],
    requests: Requests,
    exchange: Exchange,
    *,
    timeout_s: float,
    now: Callable[[], float],
    watch: Callable[[], None],
) -> Iterator[bytes]:
    """Play all cj_batches at once, asking by `requests`, and yield the value of every result event of theirs, as it came.

    Ends LINGER_S after the last answer, or `timeout_s` after the start; the cj_batches then tell what is missing. `now` is a
    clock in seconds; `watch` is called between any two looks at Kafka, and may raise. An event that does not fit the
    contract's model is dropped, as CJ drops it, and its comparison stays missing.
    """
    deadline = now() + timeout_s
    _ask(batches, requests)
    while not all(batch.finished for batch in batches) and now() < deadline:
        yield from _take(batches, exchange)
        _ask(batches, requests)
        watch()
    end = now() + LINGER_S
    while now() < end:
        yield from _take(batches, exchange)
    watch()


def _ask(batches: Sequence[CJBatch], requests: Requests) -> None:
    for batch in batches:
        if batch.round_answered and not batch.finished:
            requests.ask(batch.cj_batch_id, batch.next_round())


def _take(batches: Sequence[CJBatch], exchange: Exchange) -> Iterator[bytes]:
    for value in exchange.receive(WAIT_S):
        try:
            result = results.ResultEvent.model_validate_json(value).data
        except ValidationError:
            # Another producer's event, on a Kafka of the user's own, or an event that breaks the contract.
            continue
        if any(batch.take(result) for batch in batches):
            yield value
