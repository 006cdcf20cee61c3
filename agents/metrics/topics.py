"""Metrics of Kafka's topics: records removed before they were read, partitions held back by a transaction, missing topics."""

from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client import Gauge

from agents.metrics.labels import Labels

INBOUND, WORK = "request", "work"


class TopicMetrics:
    """The request and the work topic are labelled by these words, other topics by their names, which the settings give."""

    def __init__(self, labels: Labels) -> None:
        self._removed = labels.counter(
            "roundbatch_records_removed_unread", "Offsets that were removed from a topic before they were read.", "topic"
        )
        self._held_back = Gauge(
            "roundbatch_open_transaction_seconds",
            "The longest time for which a producer's open transaction has held a partition back.",
            ["topic"],
            registry=labels.registry,
        )
        self._missing = Gauge(
            "roundbatch_topic_missing", "1: a topic that the worker needs is not there.", ["topic"], registry=labels.registry
        )
        for topic in (INBOUND, WORK):
            self._removed.labels(topic)

    def removed_unread(self, topic: str, offsets: int) -> None:
        """Records of the request or the work topic were gone before they were read."""
        self._removed.labels(topic).inc(offsets)

    def watch_transactions(self, held_back_s: Callable[[str], float]) -> None:
        """Ask at each scrape for how long each of the two has been held back; to be called once."""
        for topic in (INBOUND, WORK):
            self._held_back.labels(topic).set_function(partial(held_back_s, topic))

    def watch_topics(self, names: Iterable[str], is_missing: Callable[[str], bool]) -> None:
        """Ask at each scrape which of these topics are missing; to be called once."""
        for name in names:
            self._missing.labels(name).set_function(partial(is_missing, name))
