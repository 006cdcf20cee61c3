"""What Kafka holds of one ranking, or of the judges, in sentences: `roundbatch quality` without its tables."""

import asyncio
import time

from agents.planning.rules import judgement_rules
from cli.quality import judges_report
from cli.quality.batch_topics import read_batch
from cli.quality.judges_topics import read_audits
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


def told_of_judges(settings: Settings) -> list[str]:
    """The sentences on the models that were audited. Errors: LookupError without a table of audits; aiokafka's KafkaError."""
    audits = asyncio.run(read_audits(settings))
    return list(
        judges_report.sentences(judges_report.report(audits, judgement_rules(settings), now_ms=round(time.time() * 1000)))
    )
