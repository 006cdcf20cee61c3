"""Which record it is that Kafka delivers and its client cannot decode.

The batch was damaged on a disk, or is compressed by a codec for which this machine has no library. aiokafka then fails the
whole fetch, and does not say which record it failed at.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError, UnsupportedCodecError

_WAIT_MS = 2_000  # for records that are there


class Unreadable(ValueError):
    """The batch of records at this place cannot be decoded."""

    def __init__(self, place: TopicPartition, offset: int, error: BaseException) -> None:
        self.topic, self.partition, self.offset = place.topic, place.partition, offset
        super().__init__(
            f"the record at topic {place.topic}, partition {place.partition}, offset {offset} cannot be decoded: {error!r}"
        )


async def fetched(consumer: Any, places: Sequence[TopicPartition]) -> dict[TopicPartition, list[Any]]:
    """What a consumer has fetched since the last time. Raises Unreadable, which names the record, and KafkaError."""
    try:
        return dict(await consumer.getmany(timeout_ms=200))
    except Exception as error:
        unreadable = await located(error, consumer, places)
        if unreadable is None:
            raise
        raise unreadable from error


async def located(error: BaseException, consumer: Any, places: Iterable[TopicPartition]) -> Unreadable | None:
    """Say which record made a fetch of aiokafka's consumer fail; None where it failed for another reason.

    Reads on, record by record, from where the consumer stands, and leaves it at the record: it is not to be used any more.
    """
    if not _of_a_record(error):
        return None
    for place in places:
        offset = await consumer.position(place)
        end = consumer.highwater(place)
        if end is not None and offset >= end:
            continue
        consumer.seek(place, offset)  # the failure has used up what aiokafka had fetched
        while True:
            try:
                found = await consumer.getmany(place, timeout_ms=_WAIT_MS, max_records=1)
            except Exception as failure:
                if not _of_a_record(failure):
                    raise
                return Unreadable(place, await consumer.position(place), failure)
            before, offset = offset, await consumer.position(place)
            if not found and offset == before:
                break
    return None


def _of_a_record(error: BaseException) -> bool:
    """Whether an error may come from decoding. Others come of the connection, group, rights, or a consumer that stops."""
    if isinstance(error, CorruptRecordException | UnsupportedCodecError):
        return True
    return not isinstance(error, KafkaError | ConsumerStoppedError)
