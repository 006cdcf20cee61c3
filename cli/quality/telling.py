"""What the answers in Kafka say of one ranking, in sentences: `roundbatch quality --batch` without its tables."""

import asyncio

from cli.quality.batch_topics import read_batch
from cli.quality.ranking_report import report, sentences
from settings.settings import Settings

_BOOTSTRAPS = 60


def told(settings: Settings, batch: str) -> list[str]:
    """The sentences on a batch: cj_batch_id. Errors: LookupError where there is no request topic; aiokafka's KafkaError."""
    read = asyncio.run(read_batch(batch, settings))
    try:
        return list(sentences(report(read, bootstraps=_BOOTSTRAPS)))
    except ValueError as nothing:
        return [str(nothing)]
