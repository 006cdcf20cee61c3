"""Offsets that are no records: the markers of a transactional producer, between requests and at the end of the topic."""

from confluent_kafka import Producer

from streams.wire.request_events import round_event
from tests.harness.deployment import Deployment


def test_markers_between_and_after_requests_are_passed_over(deployed: Deployment) -> None:
    # In asyncio's debug mode a call into another thread's event loop raises, and the worker would end with 70.
    first = deployed.worker(PYTHONASYNCIODEBUG="1")
    producer = Producer(
        {"bootstrap.servers": deployed.bootstrap, "transactional.id": deployed.name, "log_level": 0, "linger.ms": 0}
    )
    producer.init_transactions(30)
    for number in range(3):
        bodies = [deployed.body("openai", batch="b", iteration=number) for _ in range(3)]
        deployed.sent += [body["correlation_id"] for body in bodies]
        producer.begin_transaction()
        producer.produce(deployed.request_topic, value=round_event(bodies), partition=0)
        producer.commit_transaction(30)
    deployed.wait_answered()
    assert first.stop() == 0

    again = deployed.worker(PYTHONASYNCIODEBUG="1")  # ready: caught up, although the last offset is never delivered
    deployed.send_round([deployed.body("openai", batch="c")], partition=0)
    deployed.wait_answered()

    deployed.check_promises()
    assert "records_missing" in first.log_path.read_text()
    assert again.stop() == 0
