"""Looks every few seconds whether all topics that the worker needs are there: Kafka's clients do not tell of a deleted one."""

import asyncio
from collections.abc import Iterable

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.protocol.metadata import MetadataRequest

from settings.kafka import KafkaSettings
from streams.kafka import security

log = structlog.get_logger("topic_watch")
_LOOK_S = 5.0


class TopicWatch:
    """Knows which of these topics were missing at the last look."""

    def __init__(self, kafka: KafkaSettings, names: Iterable[str]) -> None:
        self._kafka = kafka
        self.names = tuple(names)
        self.missing: tuple[str, ...] = ()
        self._client: AIOKafkaClient | None = None

    async def start(self) -> None:
        """Connect."""
        self._client = security.client(self._kafka)
        await self._client.bootstrap()

    async def run(self) -> None:
        """Look until cancelled. While Kafka does not answer, what was known last stands."""
        while True:
            try:
                self._note(await self._look())
            except KafkaError as error:
                log.debug("topics_not_seen", said=repr(error))
            await asyncio.sleep(_LOOK_S)

    async def _look(self) -> tuple[str, ...]:
        if self._client is None:
            raise RuntimeError("not started")
        # Asked in the way that clients usually do it, many clusters would create a missing topic.
        asked = MetadataRequest(list(self.names), allow_auto_topic_creation=False)
        answer = (await self._client.send(self._client.get_random_node(), asked)).to_object()
        gone = UnknownTopicOrPartitionError.errno
        return tuple(topic["topic"] for topic in answer["topics"] if topic["error_code"] == gone)

    def _note(self, missing: tuple[str, ...]) -> None:
        for name in missing:
            if name not in self.missing:
                log.error("topic_missing", topic=name)
        for name in self.missing:
            if name not in missing:
                log.info("topic_there_again", topic=name)
        self.missing = missing

    async def stop(self) -> None:
        """Disconnect."""
        if self._client is not None:
            await self._client.close()
