"""What is read from outside: topics, committed offsets, and what the provider says."""

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from streams.wire import work
from tests.brokers.serving import admin_client
from tests.chaos.storm.history import Found
from tests.harness.deployment import Deployment
from tests.harness.kafka_reads import persistently, read_topic


def answered(made: Deployment) -> set[str]:
    """The ids that have an event."""
    return {record.json["correlation_id"] for record in made.results()}


def not_committed(made: Deployment) -> dict[str, int]:
    """Topic and partition → how many records the workers' group has not committed."""
    asked, admin = ConsumerGroupTopicPartitions(made.app_id), admin_client(made.bootstrap)
    try:
        offsets = admin.list_consumer_group_offsets([asked])[made.app_id].result(30)
    except (KafkaException, TimeoutError) as error:  # a broker that has just come back
        return {f"the offsets of {made.app_id} ({error})": 1}
    committed = {(one.topic, one.partition): one.offset for one in offsets.topic_partitions}
    consumer = Consumer({"bootstrap.servers": made.bootstrap, "group.id": "outside", "log_level": 0})
    found = {}
    try:
        for topic in (made.request_topic, made.work_topic):
            for partition in persistently(lambda: consumer.list_topics(timeout=30)).topics[topic].partitions:
                place = TopicPartition(topic, partition)
                low, high = persistently(lambda place=place: consumer.get_watermark_offsets(place, timeout=30))  # type: ignore[misc]
                left = high - max(committed.get((topic, partition), -1), low)
                if left > 0:
                    found[f"{topic}-{partition}"] = left
    finally:
        consumer.close()
    return found


def found(made: Deployment) -> Found:
    """All that is there."""
    events: dict[str, list[bytes]] = {}
    for record in made.results():
        events.setdefault(record.json["correlation_id"], []).append(record.value)
    submitted = set()
    for record in made.read(made.work_topic):
        for one in work.parts(work.decode(record.value)):
            if isinstance(one, work.Submitted):
                submitted.add(one.provider_job_id)
    letters = {}
    for topic in dead_letter_topics(made):
        for record in read_topic(made.bootstrap, topic):
            place = f"{topic}-{record.partition}@{record.offset}"
            letters[place] = str(record.headers or record.value[:300])
    return Found(events, letters, made.simulator.items(), made.simulator.batches(), submitted, not_committed(made))


def dead_letter_topics(made: Deployment) -> list[str]:
    """Those that there are: one is made with its first letter."""
    topics = (f"{made.request_topic}.DLQ", f"{made.work_topic}.DLQ")
    return [topic for topic in topics if exists(made, topic)]


def exists(made: Deployment, topic: str) -> bool:
    """Whether there is such a topic."""
    return topic in admin_client(made.bootstrap).list_topics(timeout=30).topics
