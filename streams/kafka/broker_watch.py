"""Logs which brokers Kafka names to its clients, when that changes."""

from typing import Any

import structlog

_log = structlog.get_logger("broker_watch")


class BrokerWatch:
    """A listener of a client's metadata: it logs brokers that Kafka lists no more, or again."""

    def __init__(self) -> None:
        self._listed: frozenset[int] = frozenset()

    def __call__(self, cluster: Any) -> None:
        """Compare aiokafka's ClusterMetadata with the one before."""
        listed = frozenset(broker.nodeId for broker in cluster.brokers())
        gone, back = self._listed - listed, listed - self._listed
        known = bool(self._listed)
        self._listed = listed
        if known and (gone or back):
            _log.warning("kafka_brokers_changed", gone=sorted(gone), back=sorted(back), listed=sorted(listed))
