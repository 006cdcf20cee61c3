"""Rows beside the entries: the real store and its double find the same ones, and nothing parts an entry from its rows."""

import gc
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from domain.comparison import Member
from domain.job import Claim, Job, Submission
from domain.outcome import Ending
from domain.partition.payments import Paid
from domain.rounds import Arrival, RoundEntry, Standing
from settings.settings import Settings
from streams import failstop
from streams.kafka.app import make_app
from tables import jobs, outcomes, rounds
from tables.acknowledged import AcknowledgedTable
from tables.declared import declare
from tables.faults import UnknownVersion
from tables.index import PREFIX, number
from tables.view import Tables
from tests.model.log import Log, ModelClock, Store
from tests.model.outbox import MemoryOutbox
from tests.model.table import DERIVE, MemoryTable
from tests.model.values import EXPIRED, plan

INDEXED = ("rounds", "jobs", "outcomes")
Start = Callable[[Path], Tables]


@pytest.fixture
def log() -> Log:
    return Log(ModelClock())


@pytest.fixture
def start(log: Log) -> Start:
    """A process that opens the tables in a folder."""

    def started(folder: Path) -> Tables:
        gc.collect()  # a store is closed when the last handle of it is collected
        outbox: Any = MemoryOutbox(log)
        settings = Settings(state_dir=folder, kafka_bootstrap_servers="127.0.0.1:1")
        return declare(make_app(settings), settings, outbox)

    return started


def doubles(log: Log) -> Tables:
    outbox = MemoryOutbox(log)
    made: Any = {name: MemoryTable(name, name, Store(), outbox, DERIVE.get(name)) for name in (*INDEXED, "requests", "audits")}
    return Tables(**made)


def entry(offset: int, *names: str, round_key: str = "cj:1:0", standing: Standing = Standing.ACCEPTED) -> RoundEntry:
    arrivals = tuple(Arrival(place, name, f"{offset:064x}", standing) for place, name in enumerate(names))
    return RoundEntry(round_key, offset, 86_400_000 * offset, arrivals, announced=12)


def fill(tables: Tables) -> None:
    """Three records, two jobs, three endings; the second of each is put twice."""
    of_rounds = (
        entry(3, "a", "b"),
        entry(3, "a", "b"),
        entry(256, "c"),
        entry(256, "d", round_key="cj:1:0\0x"),
        entry(300, "a", standing=Standing.DUPLICATE),
    )
    for one in of_rounds:
        rounds.put_once(tables.rounds, 0, one)
    job = Job("rb-0-5-a-0", 5, 50, plan((Member(3, 0), Member(3, 1), Member(256, 0))))
    jobs.put_planned(tables.jobs, 0, job)
    jobs.put_claimed(tables.jobs, 0, job.job_id, Claim(6, "run", 60, 30.0, "key"))
    jobs.put_submitted(tables.jobs, 0, job.job_id, Submission(7, "batch", 70))
    jobs.put_planned(tables.jobs, 0, Job("rb-0-9-a-0", 9, 90, plan((Member(256, 0),))))
    answered = (Ending(Member(3, 0), "answered"), Ending(Member(256, 0), job_id=job.job_id, retry=EXPIRED))
    paid = (Paid("x", 900_000, 1.0), Paid("x", 1_800_000, 2.0), Paid("", 1_800_000, 4.0))
    for is_new in (True, False):
        outcomes.put(tables.outcomes, 0, outcomes.Endings(8, answered, paid), is_new=is_new)
    late = outcomes.Endings(10, (Ending(Member(256, 0), "TIMEOUT"),), (Paid("x", 1_800_000, 8.0),))
    outcomes.put(tables.outcomes, 0, late, is_new=True)
    outcomes.put_too_large(tables.outcomes, 0, 10, Member(256, 0))


def rows_of(tables: Tables) -> dict[str, list[tuple[bytes, bytes]]]:
    """All rows; the marks of the store itself are none."""
    return {name: list(getattr(tables, name).rows(0, b"a", b"w")) for name in INDEXED}


@pytest.fixture(params=["memory", "rocksdb"])
async def tables(request: pytest.FixtureRequest, log: Log, start: Start, tmp_path: Path) -> Tables:
    made = doubles(log) if request.param == "memory" else start(tmp_path)
    fill(made)
    return made


async def test_what_is_asked_of_the_rows(tables: Tables) -> None:
    found = rounds.known(tables.rounds, 0, ["a", "c", "never"], 0)
    assert {name: (one.member, one.content_sha256) for name, one in found.items()} == {
        "a": (Member(3, 0), f"{3:064x}"),
        "c": (Member(256, 0), f"{256:064x}"),
    }
    assert set(rounds.known(tables.rounds, 0, ["a", "c"], 86_400_000 * 4)) == {"c"}
    assert [offset for offset, _ in rounds.entries(tables.rounds, 0, [0, 3, 4, 255, 300, 999])] == [3, 300]
    assert [len(of) for _, of in rounds.entries(tables.rounds, 0, [256])] == [2]
    assert [(one.offset, one.ids) for one in rounds.brought(tables.rounds, 0, "cj:1:0", 300)] == [(3, 2), (256, 1)]
    assert [(one.offset, one.ids) for one in rounds.brought(tables.rounds, 0, "cj:1:0", 301)] == [(3, 2), (256, 1), (300, 0)]
    assert (rounds.latest(tables.rounds, 0), rounds.count(tables.rounds, 0, 0)) == ((300, 86_400_000 * 300), 4)
    assert rounds.count(tables.rounds, 0, 86_400_000 * 4) == 2

    assert list(jobs.of_records(tables.jobs, 0, [3], 257)) == ["rb-0-5-a-0"]
    assert list(jobs.of_records(tables.jobs, 0, [], 256)) == ["rb-0-5-a-0", "rb-0-9-a-0"]
    assert [type(fact) for fact in jobs.facts(tables.jobs, 0, "rb-0-5-a-0")] == [Job, Claim, Submission]
    assert [jobs.first_submitted(tables.jobs, 0, since_ms) for since_ms in (70, 71)] == [7, None]
    assert jobs.latest(tables.jobs, 0) == (9, 90)

    assert list(outcomes.of_records(tables.outcomes, 0, [3, 256], 257)) == [8, 8, 10]
    assert [told.offset for told in outcomes.since(tables.outcomes, 0, 9)] == [10]
    assert [told.offset for told in outcomes.since(tables.outcomes, 0, 0, unanswered=True)] == [10]
    assert outcomes.latest(tables.outcomes, 0) == 10
    payments = outcomes.payments(tables.outcomes, 0)
    assert (payments.since(0), payments.since(1_800_000), dict(payments.by_batch())) == (15.0, 14.0, {"x": 11.0})


async def test_the_entries_of_a_batch_are_those_of_all_its_rounds_and_of_no_other_batch(tables: Tables) -> None:
    for offset, round_key in enumerate(("cj:1:1", "cj:1:x:0", "cj:10:0", "bos:1:0"), 400):
        rounds.put_once(tables.rounds, 0, entry(offset, f"id-{offset}", round_key=round_key))
    keys = rounds.keys_of_batch(tables.rounds, 0, "cj:1")
    found = [rounds.CODEC.decode(tables.rounds.find(0, key) or b"") for key in keys]
    assert sorted((one.round_key, one.offset) for one in found) == [
        *(("cj:1:0", offset) for offset in (3, 256, 300)),
        ("cj:1:0\0x", 256),
        ("cj:1:1", 400),
    ]


async def test_rows_are_no_entries(tables: Tables) -> None:
    assert [tables.rounds.size_of(0), tables.jobs.size_of(0), tables.outcomes.size_of(0)] == [4, 4, 3]
    assert all(key.startswith(b"0/") for name in INDEXED for key, _ in getattr(tables, name).entries(0))
    assert all(key.startswith(b"0/") for name in INDEXED for key in getattr(tables, name).keys_of(0))


async def test_an_empty_store_has_its_rows(start: Start, tmp_path: Path, log: Log) -> None:
    for made in (start(tmp_path), doubles(log)):
        assert [getattr(made, name).is_indexed(0) for name in INDEXED] == [True] * 3
        assert (rounds.latest(made.rounds, 0), jobs.latest(made.jobs, 0), outcomes.latest(made.outcomes, 0)) == (None,) * 3
        assert (rounds.brought(made.rounds, 0, "r", 9), outcomes.payments(made.outcomes, 0).since(0)) == ([], 0.0)


async def test_the_double_makes_the_rows_of_the_real_one(log: Log, start: Start, tmp_path: Path) -> None:
    real, double = start(tmp_path), doubles(log)
    for made in (real, double):
        fill(made)
    assert rows_of(real) == rows_of(double)


def events(table: AcknowledgedTable, entries: list[tuple[bytes, bytes]], first: int = 0) -> list[Any]:
    """What Faust hands over of a changelog."""
    tp = TP(table.changelog_topic_name, 0)
    messages = (
        SimpleNamespace(tp=tp, partition=0, offset=offset, key=key, value=value)
        for offset, (key, value) in enumerate(entries, first)
    )
    return [SimpleNamespace(message=message) for message in messages]


def restore(table: AcknowledgedTable, entries: list[tuple[bytes, bytes]], at_once: int) -> None:
    for begin in range(0, len(entries), at_once):
        table._rocks.apply_changelog_batch(events(table, entries[begin : begin + at_once], begin), None, None)


@pytest.mark.parametrize("at_once", [1, 50])
async def test_what_comes_from_the_changelog_gets_the_same_rows(start: Start, tmp_path: Path, at_once: int) -> None:
    written, restored = start(tmp_path / "written"), start(tmp_path / "restored")
    fill(written)
    for name in INDEXED:
        table = getattr(restored, name)
        entries = list(getattr(written, name).entries(0))
        restore(table, [*entries, *reversed(entries)], at_once)  # a changelog may hold an entry twice
        restore(table, entries, at_once)  # and what is in the store already may be read again
        assert table.is_indexed(0)
        assert table.restored(0)[0] == len(entries)
    assert rows_of(restored) == rows_of(written)


async def test_a_record_of_another_changelog_is_passed_over(start: Start, tmp_path: Path) -> None:
    """Faust gives a record of a partition that has meanwhile moved away to the table that it dealt with before."""
    tables = start(tmp_path)
    fill(tables)
    own, another = events(tables.outcomes, list(tables.outcomes.entries(0))), events(tables.rounds, [(b"0/x", b"?")], first=99)
    before = list(tables.outcomes.entries(0))
    tables.outcomes._rocks.apply_changelog_batch([*own, *another], None, None)
    assert tables.outcomes.restored(0)[0] == len(own)
    assert list(tables.outcomes.entries(0)) == before


async def test_an_id_that_came_again_after_the_retention_has_its_later_place(start: Start, tmp_path: Path) -> None:
    table = start(tmp_path).rounds
    entries = [(rounds.key(0, one), rounds.CODEC.encode(one)) for one in (entry(9, "a"), entry(3, "a"))]
    restore(table, entries, 1)
    assert rounds.known(table, 0, ["a"], 0)["a"].member == Member(9, 0)


async def test_a_store_of_an_earlier_version_gets_its_rows_once(start: Start, tmp_path: Path) -> None:
    made = start(tmp_path)
    fill(made)
    written = rows_of(made)
    for name in INDEXED:
        table = getattr(made, name)
        database = table._database(0)
        for row, _ in list(database.rows(b"", b"\xff")):
            database.delete(PREFIX + row)
        assert not table.is_indexed(0)
        for _ in islice(table.index_anew(0, 1), 2):
            pass  # killed before it is through
        assert not table.is_indexed(0)
        assert list(table.index_anew(0, 2))[-1] == table.size_of(0)
        assert table.is_indexed(0)
    assert rows_of(made) == written


async def test_a_store_that_an_older_worker_has_moved_on_is_indexed_anew(start: Start, tmp_path: Path) -> None:
    """It was tried to go back: the older worker has restored entries, and ended when it met the rows."""
    made = start(tmp_path)
    fill(made)
    table = made.rounds
    restore(table, list(table.entries(0)), 50)
    assert table.is_indexed(0)
    table._rocks.set_persisted_offset(TP(table.changelog_topic_name, 0), 17)
    assert not table.is_indexed(0)
    restore(table, [(rounds.key(0, entry(400, "z")), rounds.CODEC.encode(entry(400, "z")))], 1)
    assert not table.is_indexed(0)
    list(table.index_anew(0, 500))
    assert (table.is_indexed(0), set(rounds.known(table, 0, ["a", "z"], 0))) == (True, {"a", "z"})


async def test_no_row_is_lost_by_a_compaction_after_the_store_was_opened_again(start: Start, tmp_path: Path) -> None:
    def indexed(opened: Tables) -> list[AcknowledgedTable]:
        return [getattr(opened, name) for name in INDEXED]

    first = start(tmp_path)
    fill(first)
    for table in indexed(first):
        restore(table, list(table.entries(0)), 50)  # so that the store knows its offset
    written, restored = rows_of(first), [table.restored(0) for table in indexed(first)]
    for table in indexed(first):
        table._database(0)._rocks.flush()
        await table._rocks.stop()
    again = start(tmp_path)
    for table in indexed(again):
        rocks = table._database(0)._rocks
        rocks.put(b"0/another", b"")
        rocks.flush()  # a second file, so that a compaction has something to do
        rocks.compact_range(None, None)
        rocks.delete(b"0/another")
        assert table.is_indexed(0)
    assert rows_of(again) == written
    assert [table.restored(0) for table in indexed(again)] == restored


async def test_an_entry_and_its_rows_are_one_write(start: Start, tmp_path: Path) -> None:
    table = start(tmp_path).rounds
    real, writes = table._database(0)._rocks, list[int]()

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def write(self, batch: Any) -> None:
            writes.append(len(batch))
            real.write(batch)

        def put(self, key: bytes, value: bytes) -> None:
            raise AssertionError(f"{key!r} was written apart")

    rocks: Any = Counting()
    table._database(0)._rocks = rocks
    rounds.put_once(table, 0, entry(3, "a", "b"))
    assert writes == [1 + 2 + 1 + 2]  # the entry; its place and its round; the day; two ids
    one = entry(4, "c")
    restore(table, [(rounds.key(0, one), rounds.CODEC.encode(one))], 1)
    assert writes[1:] == [1 + 2 + 1 + 1 + 3]  # and the position in the changelog, the witness, and that it is whole


async def test_an_entry_that_cannot_be_read_ends_the_process_and_not_the_recovery_alone(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[BaseException] = []

    def stop(where: str, error: BaseException, at: object = None) -> None:
        stopped.append(error)
        raise SystemExit(where)

    monkeypatch.setattr(failstop, "stop", stop)
    table = start(tmp_path).rounds
    with pytest.raises(SystemExit, match=r"store rounds-0\.db"):
        restore(table, [(b"0/r/1", b"\x7f{}")], 1)
    assert isinstance(stopped[0], UnknownVersion)
    assert table.restored(0)[0] == 0


def test_numbers_in_names_are_in_order() -> None:
    assert sorted(map(number, (256, 3, 70_000))) == list(map(number, (3, 256, 70_000)))
