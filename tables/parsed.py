"""Inbound records of the table `requests`, kept decoded for a while.

A record is read three times: by collect, when its prompts are sent, and when its events are made. Where these follow each other
closely (calls, a fast batch) one decoding serves all three. Decoding takes longer than everything else that is done for a
comparison.
"""

from collections import OrderedDict

from streams.wire.requests import InboundRecord, read_record
from tables import requests
from tables.acknowledged import AcknowledgedTable

_MOST_BYTES = 8 * 1024 * 1024  # of records as they came; decoded they take about twice as much


class ParsedRecords:
    """The latest records, bounded by bytes. Only the table says whether a record still exists, never this cache."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[int, int], tuple[int, int, InboundRecord]] = OrderedDict()

    def keep(self, partition: int, offset: int, append_ms: int, size: int, record: InboundRecord) -> None:
        """Keep a record that collect has read, unless a member has a problem: that depends on the settings it was read with."""
        if not any(member.problem for member in record.members):
            self._put((partition, offset), append_ms, size, record)

    def find(self, table: AcknowledgedTable, partition: int, offset: int) -> tuple[int, InboundRecord] | None:
        """Append time in ms and the record at an inbound offset; None where the table has no entry (any more)."""
        key = (partition, offset)
        stored = requests.find(table, partition, offset)
        if stored is None:
            self._drop(key)
            return None
        kept = self._kept.get(key)
        if kept is not None and kept[0] == stored.append_ms:  # offsets start at 0 again when a topic is made again
            self._kept.move_to_end(key)
            return stored.append_ms, kept[2]
        record = read_record(stored.raw, judged=True)
        self._put(key, stored.append_ms, len(stored.raw), record)
        return stored.append_ms, record

    def _put(self, key: tuple[int, int], append_ms: int, size: int, record: InboundRecord) -> None:
        self._drop(key)
        self._kept[key] = (append_ms, size, record)
        self._bytes += size
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[int, int]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept[1]
