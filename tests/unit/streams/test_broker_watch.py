"""Brokers that Kafka lists no more, or again."""

from aiokafka.cluster import ClusterMetadata
from aiokafka.protocol.metadata import MetadataResponse_v1
from structlog.testing import capture_logs

from streams.kafka.broker_watch import BrokerWatch


def test_what_has_changed_is_told_and_nothing_else() -> None:
    cluster = ClusterMetadata()
    cluster.add_listener(BrokerWatch())
    with capture_logs() as told:
        for listed in ((1, 2, 3), (1, 2, 3), (1, 3), (3, 1), (1, 2)):
            brokers = [(number, f"host-{number}", 9092, None) for number in listed]
            cluster.update_metadata(MetadataResponse_v1(brokers, 1, []))
    assert [(line["gone"], line["back"], line["listed"]) for line in told] == [([2], [], [1, 3]), ([3], [2], [1, 2])]
    assert {(line["event"], line["log_level"]) for line in told} == {("kafka_brokers_changed", "warning")}
