"""The broker of the model: topics with one partition, the clock that stamps their records, and what is on a worker's disk."""

from collections import defaultdict
from dataclasses import dataclass, field

PARTITION = 0
START_MS = 1_700_000_000_000


class ModelClock:
    """One clock for all machines; it moves when a test says so."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self.ms

    def running_s(self) -> float:
        """Seconds that never go back."""
        return self.ms / 1_000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.ms += round(seconds * 1_000)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in a topic: what a handler reads, and what a send's future gives. `timestamp` in seconds."""

    topic: str
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    partition: int = PARTITION
    generation_id: int = 0


class Log:
    """All topics. Append time is the clock's (LogAppendTime)."""

    def __init__(self, clock: ModelClock) -> None:
        self._clock = clock
        self._topics: dict[str, list[Record]] = defaultdict(list)
        self.most_bytes: dict[str, int] = {}  # max.message.bytes, where a topic takes less than is sent

    def append(
        self, topic: str, value: bytes | None, key: bytes | None = None, headers: list[tuple[str, bytes]] | None = None
    ) -> Record:
        """Add a record at the end of a topic."""
        record = Record(topic, self.end(topic), self._clock.now_ms() / 1_000, key, value, headers or [])
        self._topics[topic].append(record)
        return record

    def read(self, topic: str, start: int = 0) -> list[Record]:
        """The records from an offset on."""
        return self._topics[topic][start:]

    def end(self, topic: str) -> int:
        """The offset after the last record."""
        return len(self._topics[topic])


@dataclass(slots=True)
class Store:
    """What RocksDB holds of one table on one disk; `recovered` is the next changelog offset to be restored from."""

    entries: dict[bytes, bytes] = field(default_factory=dict)
    rows: dict[bytes, bytes] = field(default_factory=dict)  # the index beside the entries
    indexed: bool = True
    recovered: int = 0


Disk = defaultdict[str, Store]


def new_disk() -> Disk:
    """An empty state directory: stores by table."""
    return defaultdict(Store)
