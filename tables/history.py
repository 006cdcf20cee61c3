"""The history of a partition on disk: the rows of the table `rounds`, which nobody holds in memory."""

from collections.abc import Iterable, Sequence

from domain.partition.history import Known
from domain.rounds import Brought, RoundEntry
from tables import rounds
from tables.acknowledged import AcknowledgedTable


class StoredHistory:
    """A domain.partition.history.History. An id that is older than the dedup retention counts as unknown."""

    def __init__(self, table: AcknowledgedTable, partition: int, retention_ms: int) -> None:
        self._table, self._partition, self._retention_ms = table, partition, retention_ms

    def known(self, ids: Sequence[str], at_ms: int) -> dict[str, Known]:
        """See History."""
        return rounds.known(self._table, self._partition, ids, at_ms - self._retention_ms)

    def brought(self, round_key: str, before: int) -> list[Brought]:
        """See History."""
        return rounds.brought(self._table, self._partition, round_key, before)

    def count(self, at_ms: int) -> int:
        """See History. By whole days: up to one day's ids too many."""
        return rounds.count(self._table, self._partition, at_ms - self._retention_ms)

    def note(self, entries: Iterable[RoundEntry]) -> None:
        """See History: the rows were written with the entries (rounds.put_once)."""
