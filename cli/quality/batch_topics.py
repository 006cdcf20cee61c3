"""One batch, read out of the request topic and then out of the work topic of its partitions."""

from dataclasses import dataclass

from cli import topic_scan
from cli.quality.answers import Answered, Answers, Requests
from settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Batch:
    """What the topics hold of a batch; `suspects`: essay → the rules that its text meets."""

    name: str
    asked: int
    answered: tuple[Answered, ...]
    failed: int
    open: int
    unnamed: int
    unseen: int
    suspects: dict[str, tuple[str, ...]]


async def read_batch(name: str, settings: Settings, since_ms: int | None = None) -> Batch:
    """Read what is there of a batch: cj_batch_id, or bos_batch_id of requests without one.

    Errors: LookupError where there is no request topic; MissingRights; aiokafka's KafkaError.
    """
    known = await topic_scan.readable(settings, (settings.request_topic, settings.work_topic))
    requests = Requests(name)
    places = range(known[settings.request_topic])
    async for record in topic_scan.scan(settings, settings.request_topic, places, since_ms=since_ms):
        requests.read(record.partition, record.offset, record.timestamp, record.value)
    readings = {partition: Answers(partition, asked) for partition, asked in requests.asked.items()}
    if settings.work_topic in known and readings:
        begin = None if requests.first_ms is None else requests.first_ms - topic_scan.CLOCKS_APART_MS
        if settings.testing.embedded_broker:
            begin = None  # it finds no offset by time, and says that nothing is later
        async for record in topic_scan.scan(settings, settings.work_topic, sorted(readings), since_ms=begin):
            readings[record.partition].read(record.offset, record.timestamp, record.value)
    return Batch(
        name,
        sum(len(asked) for asked in requests.asked.values()),
        tuple(one for reading in readings.values() for one in reading.answered),
        sum(reading.failed for reading in readings.values()),
        sum(reading.open for reading in readings.values()),
        requests.unnamed,
        requests.unseen,
        requests.suspects,
    )
