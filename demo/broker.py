"""The demo's Kafka: yours if KAFKA_BOOTSTRAP_SERVERS names one, otherwise librdkafka's mock cluster, which pip brings along.

`python -m demo.broker` serves the mock cluster on 127.0.0.1 until its stdin closes, so that it never outlives the process that
started it. The cluster is in memory, creates topics on first use with 4 partitions, and knows no CreateTopics request.
"""

import json
import sys
from collections.abc import Mapping

from confluent_kafka import Producer

from settings import env

EVENT = "broker_listening"
#: What the mock cluster gives every topic.
PARTITIONS = 4


def of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that name the user's own Kafka and how to get in; empty where they name none."""
    found = env.kafka_variables(environment)
    named = ("KAFKA_BOOTSTRAP_SERVERS", f"{env.PREFIX}KAFKA_BOOTSTRAP_SERVERS")
    return found if any(found.get(name, "").strip() for name in named) else {}


def serve() -> None:
    """Open the mock cluster, print its address as one JSON line, and stay until stdin closes."""
    # The cluster lives inside this producer; the bootstrap address is required, and replaced by the cluster's own.
    cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    brokers = cluster.list_topics(timeout=10).brokers.values()
    address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    sys.stdout.write(json.dumps({"event": EVENT, "bootstrap_servers": address}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve()
