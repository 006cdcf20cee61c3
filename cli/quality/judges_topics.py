"""The audits, read out of the changelog of table `audits`; and what is done about bent judges, out of the work topic."""

import time
from contextlib import aclosing

from agents.records import decide
from cli import topic_scan
from cli.quality.judges_report import Audits
from settings.settings import Settings
from streams.kafka import rights
from streams.wire import work
from tables import audits

_SAID_AGAIN_MS = 3 * 24 * 3600 * 1000
"""Workers send what is done about a judge again each day (agents.windows.judges), so the last days hold all of it."""
_KINDS = (b'"kind":"bundles_limited"', b'"kind":"judgement_acknowledged"')


async def read_audits(settings: Settings) -> Audits:
    """Read all audits that are kept. Errors: LookupError where no worker has made the table; MissingRights; KafkaError."""
    changelog, topic = settings.changelog_of(audits.NAME), settings.work_topic
    known = await rights.partitions(settings, {changelog: rights.READ, topic: rights.READ})
    if changelog not in known:
        servers = settings.kafka_bootstrap_servers
        raise LookupError(f"topic {changelog} does not exist at {servers}: no worker that makes audits has run there")
    found = Audits()
    async with aclosing(topic_scan.scan(settings, changelog, range(known[changelog]))) as entries:
        async for record in entries:
            if record.value is not None:
                found.learn(record.partition, audits.CODEC.decode(record.value))
    since_ms: int | None = round(time.time() * 1000) - _SAID_AGAIN_MS
    if settings.testing.embedded_broker:
        since_ms = None  # it finds no offset by time, and says that nothing is later
    async with aclosing(topic_scan.scan(settings, topic, range(known.get(topic, 0)), since_ms=since_ms)) as records:
        async for record in records:
            if record.value is not None and any(kind in record.value[:60] for kind in _KINDS):
                _correct(found, record.value, record.timestamp)
    return found


def _correct(found: Audits, raw: bytes, append_ms: int) -> None:
    try:
        one = work.decode(raw)
    except ValueError:
        return  # reconcile has put it into the dead letters
    if isinstance(one, work.BundlesLimited | work.JudgementAcknowledged):
        found.corrections.learn(decide.correction(one, append_ms))
