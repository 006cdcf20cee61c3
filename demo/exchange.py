"""Kafka as the demo's CJ service uses it: one request topic, one result topic."""

from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, TopicPartition

from demo import clients
from settings.kafka import KafkaSettings

#: A round of 12 is about 120 KB; librdkafka's default limit is 1,000,000 bytes, the worker's 1 MiB.
MESSAGE_BYTES = 1_048_576
ANSWER_S = 15.0
#: Only critical messages: at the end of a demo its broker ends before librdkafka's threads do, which then complain.
LOG_LEVEL = 2
FETCH_WAIT_MS = 50


class KafkaExchange:
    """Sends requests and receives results. Results are read from where their topic ended when this was made."""

    def __init__(self, kafka: KafkaSettings, request_topic: str, result_topic: str) -> None:
        self._request_topic = request_topic
        # The partitioner of Java, aiokafka and Faust: another would put a cj_batch's key into another partition than they do.
        self._producer = clients.producer(
            kafka,
            {
                "partitioner": "murmur2_random",
                "message.max.bytes": MESSAGE_BYTES,
                "message.timeout.ms": int(ANSWER_S * 1000),
                "linger.ms": 0,
                "log_level": LOG_LEVEL,
            },
        )
        # No group is joined and nothing committed; a group id is required all the same.
        self._consumer = clients.consumer(
            kafka,
            {
                "group.id": "roundbatch-demo-cj",
                "enable.auto.commit": False,
                "log_level": LOG_LEVEL,
                # The mock cluster answers a fetch that was empty only at the end of its wait, whatever comes meanwhile.
                "fetch.wait.max.ms": FETCH_WAIT_MS,
            },
        )
        self._assign(result_topic)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._consumer.close()

    def send(self, key: bytes, value: bytes) -> None:
        """Send one record and wait for its acknowledgement. Errors: KafkaException."""
        failures: list[object] = []
        self._producer.produce(
            self._request_topic, value, key, on_delivery=lambda error, _: failures.append(error) if error else None
        )
        if self._producer.flush(ANSWER_S) or failures:
            raise KafkaException(f"a round was not acknowledged within {ANSWER_S:.0f} s: {failures or 'no answer'}")

    def receive(self, wait_s: float) -> list[bytes]:
        """Values of the result events that came, after at most `wait_s` seconds. Errors: KafkaException."""
        messages = self._consumer.consume(num_messages=500, timeout=wait_s)
        values = []
        for message in messages:
            error = message.error()
            if error is None:
                values.append(message.value() or b"")
            elif error.fatal():
                # librdkafka itself gets over other errors, such as a broker that is away for a moment.
                raise KafkaException(error)
        return values

    def _assign(self, topic: str) -> None:
        # The producer asks: the mock cluster creates a topic for a producer that asks for it, and not for a consumer.
        known = self._producer.list_topics(topic, timeout=ANSWER_S).topics[topic]
        if known.error is not None:
            raise KafkaException(known.error)
        partitions = [TopicPartition(topic, number) for number in known.partitions]
        for partition in partitions:
            # Asked for now: a consumer told to start "at the end" looks that up later, and may pass over early results.
            _, partition.offset = self._consumer.get_watermark_offsets(partition, timeout=ANSWER_S)
        self._consumer.assign(partitions)
