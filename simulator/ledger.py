"""What was asked and what was paid for, in SQLite: the evidence of every test about money."""

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, provider TEXT NOT NULL, endpoint TEXT NOT NULL,
    status INTEGER NOT NULL, key_hash TEXT NOT NULL, model TEXT);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, at REAL NOT NULL, provider TEXT NOT NULL, workspace TEXT NOT NULL, items INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, provider TEXT NOT NULL, kind TEXT NOT NULL, source_id TEXT NOT NULL,
    custom_id TEXT, model TEXT NOT NULL, prompt_sha256 TEXT NOT NULL, fingerprint TEXT NOT NULL, bundle_key TEXT,
    bundle_size INTEGER NOT NULL, outcome TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, cached_input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    cost_usd REAL NOT NULL, cost_single_usd REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One HTTP request to a provider's API. `endpoint` is as in `batches.create`."""

    at: float
    provider: str
    endpoint: str
    status: int
    key_hash: str
    model: str | None


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One batch that was accepted."""

    id: str
    at: float
    provider: str
    workspace: str
    items: int


@dataclass(frozen=True, slots=True)
class PaidItem:
    """One comparison that was answered and is paid for; one of a bundle has its share of the tokens and the cost.

    `kind` is batch or call; `source_id` the batch's or the message's id; `outcome` ok, refused, cut or invalid.
    `prompt_sha256` is that of the whole prompt, `fingerprint` that of the two essays in their order. `bundle_key` is None and
    `bundle_size` 1 for a comparison in a prompt of its own.
    """

    at: float
    provider: str
    kind: str
    source_id: str
    custom_id: str | None
    model: str
    prompt_sha256: str
    fingerprint: str
    bundle_key: str | None
    bundle_size: int
    outcome: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: float
    cost_single_usd: float


ADD_ITEM = (
    f"INSERT INTO items ({', '.join(column.name for column in fields(PaidItem))})"
    f" VALUES ({', '.join('?' for _ in fields(PaidItem))})"
)


def key_hash(api_key: str) -> str:
    """What may be written down of an API key: 12 hex digits of its sha256."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:12]


class Ledger:
    """The three tables. Every method is one transaction; a file given by path is continued when opened again."""

    def __init__(self, path: Path | None) -> None:
        # Tests in one process run the app in a thread of its own. Use is never concurrent, for nothing here awaits.
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        # A write-ahead log without fsync survives a kill of the process, as tests do; only a machine's crash could lose rows.
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        with self._db:
            self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def write(
        self,
        *,
        call: CallRecord | None = None,
        batch: BatchRecord | None = None,
        items: Iterable[PaidItem] = (),
    ) -> None:
        """Add what one request caused, all of it or nothing."""
        with self._db:
            if call is not None:
                self._db.execute(
                    "INSERT INTO calls (at, provider, endpoint, status, key_hash, model) VALUES (?, ?, ?, ?, ?, ?)",
                    (call.at, call.provider, call.endpoint, call.status, call.key_hash, call.model),
                )
            if batch is not None:
                self._db.execute(
                    "INSERT INTO batches (id, at, provider, workspace, items) VALUES (?, ?, ?, ?, ?)",
                    (batch.id, batch.at, batch.provider, batch.workspace, batch.items),
                )
            self._db.executemany(ADD_ITEM, map(astuple, items))

    def clear(self) -> None:
        """Forget everything."""
        with self._db:
            for table in ("calls", "batches", "items"):
                self._db.execute(f"DELETE FROM {table}")

    def rows(self, table: str) -> list[dict[str, object]]:
        """All rows of `calls`, `batches` or `items`, oldest first."""
        if table not in ("calls", "batches", "items"):
            raise ValueError(f"no table {table!r} in the ledger; there are calls, batches and items")
        return [dict(row) for row in self._db.execute(f"SELECT * FROM {table} ORDER BY rowid")]

    def summary(self) -> dict[str, object]:
        """The totals that `GET /_sim/ledger` answers; see docs/simulator.md for each."""
        endpoints = self._db.execute(
            "SELECT provider || '.' || endpoint AS name, count(*) AS n FROM calls GROUP BY name ORDER BY name"
        )
        by_endpoint = {row["name"]: row["n"] for row in endpoints}
        by_status = {
            str(row["status"]): row["n"] for row in self._db.execute("SELECT status, count(*) AS n FROM calls GROUP BY status")
        }
        totals = self._db.execute(
            "SELECT count(*) AS items_paid, coalesce(sum(kind = 'batch'), 0) AS batch_items_paid,"
            " coalesce(sum(kind = 'call'), 0) AS call_items_paid,"
            " coalesce(sum(cost_usd), 0.0) AS cost_usd, coalesce(sum(cost_single_usd), 0.0) AS cost_single_usd,"
            " coalesce(sum(input_tokens), 0) AS input_tokens, coalesce(sum(output_tokens), 0) AS output_tokens"
            " FROM items"
        ).fetchone()
        # After a refused, cut or invalid answer it is right to ask again: only what follows a usable answer is paid twice.
        twice = self._db.execute(
            "SELECT count(*) FROM items JOIN (SELECT fingerprint, min(id) AS first FROM items"
            " WHERE kind = 'batch' AND outcome = 'ok' GROUP BY fingerprint) AS usable"
            " ON items.fingerprint = usable.fingerprint WHERE items.kind = 'batch' AND items.id > usable.first"
        ).fetchone()[0]
        again = self._db.execute("SELECT count(*) - count(DISTINCT fingerprint) FROM items WHERE kind = 'batch'").fetchone()[0]
        return {
            "http_operations": sum(by_endpoint.values()),
            "http_by_endpoint": by_endpoint,
            "http_by_status": by_status,
            "batches": self._db.execute("SELECT count(*) FROM batches").fetchone()[0],
            **dict(totals),
            "batch_items_paid_twice": twice,
            "batch_items_paid_again": again,
        }
