"""When a broker counts as up."""

import time
from collections.abc import Callable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.brokers.errors import BrokerUnavailable


def admin_client(bootstrap: str) -> AdminClient:
    """An admin client that is quiet about a broker which is not up yet, and quick to try again."""
    return AdminClient(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 100,
        }
    )


def wait_until_serving(bootstrap: str, *, timeout_s: float, check_alive: Callable[[], None]) -> None:
    """Return once the broker lists itself in its metadata: an unfenced broker, which takes topics and records.

    `check_alive` is called between the looks and raises where the process has ended.
    """
    until = time.monotonic() + timeout_s
    client = admin_client(bootstrap)
    last = "it named no broker"
    while time.monotonic() < until:
        check_alive()
        try:
            if client.list_topics(timeout=0.5).brokers:
                return
        except KafkaException as failed:
            last = str(failed)
    raise BrokerUnavailable(f"Kafka at {bootstrap} did not serve within {timeout_s:.0f} s: {last}")
