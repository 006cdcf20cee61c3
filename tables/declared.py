"""Declares the five tables on the app, with RocksDB bounded: Faust's default is a 2 GiB cache per partition and table."""

from settings.provider import MIB
from settings.settings import DAY_S, Settings
from streams.kafka.app import RoundbatchApp
from streams.kafka.outbox import Outbox
from tables import audits, jobs, outcomes, requests, rounds
from tables.acknowledged import AcknowledgedTable
from tables.index import Derive
from tables.view import Tables

_RECORDS_A_RESTORE = 50  # records of a changelog
# Each of these is per table and partition: docs/configuration.md says what they come to.
BLOCK_CACHE_BYTES = 32 * MIB
WRITE_BUFFER_BYTES = 8 * MIB  # and up to three of them
_MAX_OPEN_FILES = 128


def declare(app: RoundbatchApp, settings: Settings, outbox: Outbox) -> Tables:
    """Declare the tables; their writes go through the outbox."""

    def table(name: str, derive: Derive | None, *, ttl_s: float | None) -> AcknowledgedTable:
        made = AcknowledgedTable(
            app,
            name=name,
            key_type=bytes,
            value_type=bytes,
            partitions=settings.partitions,
            recovery_buffer_size=_RECORDS_A_RESTORE,
            options={
                "driver": "rocksdict",
                "block_cache_size": BLOCK_CACHE_BYTES,
                "write_buffer_size": WRITE_BUFFER_BYTES,
                "max_open_files": _MAX_OPEN_FILES,
                **({} if ttl_s is None else {"ttl": int(ttl_s)}),
            },
        )
        made.outbox, made.derive = outbox, derive
        app.tables.add(made)
        return made

    retention_s = settings.dedup_retention_s
    return Tables(
        rounds=table(rounds.NAME, rounds.derive, ttl_s=retention_s),
        requests=table(requests.NAME, None, ttl_s=None),
        jobs=table(jobs.NAME, jobs.derive, ttl_s=retention_s),
        outcomes=table(outcomes.NAME, outcomes.derive, ttl_s=retention_s),
        audits=table(audits.NAME, None, ttl_s=settings.audit.keep_days * DAY_S),
        retention_ms=int(retention_s * 1000),
    )
