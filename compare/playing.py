"""CJ's part of a real run: it sends rounds, takes results, and notes how long each comparison took."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from compare.workload import records
from demo.cj_batch import CJBatch
from demo.cj_service import Exchange
from streams.wire.results import ResultEvent

_LOOK_S = 0.02


@dataclass(slots=True)
class Times:
    """Times in seconds by a clock that never goes back. took_s: for each comparison, from its round's sending to its result."""

    began_s: float
    round_sent_s: float = 0.0
    ended_s: float = 0.0
    took_s: list[float] = field(default_factory=list)


def play(
    batches: Sequence[CJBatch], exchange: Exchange, *, timeout_s: float, watch: Callable[[], None], wanted: Callable[[], bool]
) -> list[Times]:
    """Play all cj_batches at once, until each is finished, the time is over, or after a round no more is `wanted`.

    `watch` is called between two looks, and may raise. What is missing at the end is in the batches.
    """
    times = [Times(time.monotonic()) for _ in batches]
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        for batch, of in zip(batches, times, strict=True):
            if batch.round_answered and not batch.finished and (batch.round == 0 or wanted()):
                of.round_sent_s = time.monotonic()
                of.began_s = of.began_s if batch.round else of.round_sent_s
                for value in records(batch.next_round()):
                    exchange.send(batch.cj_batch_id.encode(), value)
        if all(batch.finished or (batch.round_answered and not wanted()) for batch in batches):
            break
        _take(batches, times, exchange)
        watch()
    return times


def _take(batches: Sequence[CJBatch], times: Sequence[Times], exchange: Exchange) -> None:
    for value in exchange.receive(_LOOK_S):
        try:
            result = ResultEvent.model_validate_json(value).data
        except ValidationError:  # another producer's event, on a Kafka of the reader's own
            continue
        for batch, of in zip(batches, times, strict=True):
            answered = batch.answered
            if batch.take(result) and batch.answered > answered:
                of.ended_s = time.monotonic()
                of.took_s.append(of.ended_s - of.round_sent_s)
