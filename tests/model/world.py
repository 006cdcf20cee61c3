"""The whole of the model: log, provider, workers, and what must hold of them at the end."""

import json
import uuid
from collections import defaultdict
from typing import Any

from agents.records.trace_context import Tracer
from settings.settings import TABLES, Settings
from streams.wire import work
from streams.wire.request_events import round_event, single_event
from tests.model.log import Disk, Log, ModelClock, new_disk
from tests.model.provider import ModelProvider, justification, prompt
from tests.model.whole import picture
from tests.model.worker import ModelWorker

CALLBACK = "huleedu.llm_provider.comparison_result.v1"
_SETTINGS: dict[str, Settings] = {}  # by the words of what is given
_MOST_TURNS = 300  # without time passing; the longest of the tests takes 20


class Stopped(Exception):
    """A process of the model has ended itself."""


class BrokenPromise(AssertionError):
    """One of the promises of the design does not hold."""


class World:
    """One partition. Only its owner's offsets are committed, as a broker has it."""

    provider_name = "openai"
    model = "gpt-6-luna"

    def __init__(self) -> None:
        self.clock = ModelClock()
        self.log = Log(self.clock)
        self.provider = ModelProvider(self.provider_name)
        self.committed: dict[str, int] = {}
        self.owner: ModelWorker | None = None
        self.generation = 0
        self.compares_kept = True  # with what a rebuild would make
        self.workers: list[ModelWorker] = []
        self.stopped: list[str] = []  # fail-stops: where, and why
        self.names: dict[str, str] = {}  # correlation id → name

    # -- workers -------------------------------------------------------------------------------------------------

    @classmethod
    def settings(cls, **fields: Any) -> Settings:
        """Settings of a worker with this world's provider as its only one."""
        name = cls.provider_name
        account = {"api_key": "key", "model": fields.pop("model", cls.model), **fields.pop(name, {})}
        testing = {"retry_batch_min": 1, **fields.pop("testing", {})}
        given = {"default_provider": name, name: account, "testing": testing, **fields}
        # They are frozen, and made some thousand times; each time costs 2 ms.
        if (words := repr(given)) not in _SETTINGS:
            _SETTINGS[words] = Settings(**given)
        return _SETTINGS[words]

    def worker(self, disk: Disk | None = None, *, tracer: Tracer | None = None, **settings: Any) -> ModelWorker:
        """Start a process without a partition."""
        name = f"run{len(self.workers)}"
        made = ModelWorker(name, self.settings(**settings), self.log, self.clock, self.provider, disk or new_disk(), tracer)
        self.workers.append(made)
        return made

    async def assign(self, worker: ModelWorker, *, same_name: bool = False) -> ModelWorker:
        """Give the partition to a worker; the one that had it may not have noticed.

        `same_name`: to one that has the name of the one that had it, and so in the same generation. That one is no member any
        more; should it join again, it is another.
        """
        if same_name and self.owner is not None and self.owner is not worker:
            self.owner.joined += 1
        else:
            self.generation += 1
        self.owner = worker
        await worker.assign(self.committed, self.generation)
        if worker.view.kept and self.compares_kept:
            await self._check_kept(worker)
        return worker

    async def _check_kept(self, worker: ModelWorker) -> None:
        """A view that was kept is the one that a rebuild would make."""
        kept, built, names = worker.view, await worker.build(), list(self.names)
        now, anew = picture(kept.state, worker, names), picture(built.state, worker, names)
        for one in (now, anew):  # a record may tell of several jobs: those entered a stage at one time, in any order
            one["stages"] = {group: sorted(jobs) for group, jobs in one["stages"].items()}
        self.need(now == anew, f"a view was kept and is not what was built: {now}\n{anew}")
        self.need(kept.retained == built.retained, f"kept {kept.retained} as retained, built {built.retained}")

    async def start(self, disk: Disk | None = None, *, same_name: bool = False, **settings: Any) -> ModelWorker:
        """Start a process, and give it the partition."""
        return await self.assign(self.worker(disk, **settings), same_name=same_name)

    def commit(self, worker: ModelWorker, *, by_name: bool = False) -> None:
        """Commit what it has acked; a worker that has lost the partition is refused.

        `by_name`: as if Kafka could not tell it from the owner, which has the same name and was given the same generation.
        """
        if worker is self.owner or by_name:
            self.committed.update(worker.consumer.acked)

    async def kill(self, worker: ModelWorker, *, late: bool = False) -> Disk:
        """End a process, what it has in flight being lost or, when `late`, still to land; returns its disk."""
        await worker.stop()
        if not late:
            worker.outbox.lose()
        return worker.disk

    async def stop(self) -> None:
        """End all processes."""
        for worker in self.workers:
            await worker.stop()

    # -- what happens --------------------------------------------------------------------------------------------

    def request(self, *names: str, batch: str = "1", announced: int | None = None, note: str = "") -> None:
        """Send a round of these names in one record, or a single one that announces the size of its round.

        `note` is more of the caller's metadata, which comes back in the results.
        """
        bodies = [self._body(name, batch, announced, note) for name in names]
        value = round_event(bodies) if announced is None else single_event(bodies[0])
        self.log.append(self.settings().request_topic, value)

    def _body(self, name: str, batch: str, announced: int | None, note: str = "") -> dict[str, Any]:
        correlation_id = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
        self.names[correlation_id] = name
        hint = {} if announced is None else {"preferred_bundle_size": announced}
        return {
            "user_prompt": prompt(name),
            "callback_topic": CALLBACK,
            "correlation_id": correlation_id,
            "metadata": {
                "essay_a_id": f"{name}-a",
                "essay_b_id": f"{name}-b",
                "cj_batch_id": batch,
                "bos_batch_id": f"bos-{batch}",
                **hint,
                **({"note": note} if note else {}),
            },
        }

    def record(self, record: work.WorkRecord) -> int:
        """Append to the work topic what a worker out of sight has sent; returns its offset."""
        return self.log.append(self.settings().work_topic, work.encode(record)).offset

    def work_records(self) -> list[work.WorkRecord]:
        """The work topic so far; what was sent together is taken apart."""
        records = [work.decode(record.value or b"") for record in self.log.read(self.settings().work_topic)]
        return [part for record in records for part in work.parts(record)]

    async def turn(self, worker: ModelWorker) -> int:
        """Let a worker do all it can do now; returns how many records moved."""
        moved = await worker.land() + await worker.collect() + await worker.reconcile()
        await worker.tick()
        return moved + await worker.land()

    async def run(self, worker: ModelWorker, *, seconds: float = 60.0, step_s: float = 5.0) -> None:
        """Let time pass with a worker at work."""
        for _ in range(round(seconds / step_s)):
            await self._rest(worker)
            self.clock.advance(step_s)
        await self._rest(worker)

    async def _rest(self, worker: ModelWorker) -> None:
        for _ in range(_MOST_TURNS):
            if not await self.turn(worker):
                return
        raise BrokenPromise(f"{worker.name} never comes to rest: {self.work_records()[-5:]}")

    async def finish(self, worker: ModelWorker, *, seconds: float = 900.0, step_s: float = 15.0) -> None:
        """Let batches end and time pass until nothing is left to be done, then commit."""
        self.provider.ends_at_once = True
        self.provider.end_batches()
        await self.run(worker, seconds=seconds, step_s=step_s)
        self.commit(worker)

    # -- what must hold ------------------------------------------------------------------------------------------

    def events(self) -> dict[str, set[bytes]]:
        """name → the distinct events that ended it."""
        found: defaultdict[str, set[bytes]] = defaultdict(set)
        for record in self.log.read(CALLBACK):
            found[self.names[json.loads(record.value or b"")["correlation_id"]]].add(record.value or b"")
        return dict(found)

    def result(self, name: str) -> dict[str, Any]:
        """The data of a comparison's one event."""
        (value,) = self.events()[name]
        data: dict[str, Any] = json.loads(value)["data"]
        return data

    def check(self) -> None:
        """All promises, at the end of a run."""
        self.check_safety()
        lost = set(self.names.values()) - set(self.events())
        self.need(not lost, f"lost: {sorted(lost)}")
        kept = self._compacted("requests")
        self.need(not kept, f"requests never deleted: {sorted(kept)}")

    def check_safety(self) -> None:
        """The promises that hold at every moment."""
        self.need(not self.stopped, f"a process stopped itself: {self.stopped}")
        for name, events in self.events().items():
            self.need(len(events) == 1, f"{name} ended in {len(events)} different events")
            said = self.result(name)["justification"]
            self.need(said in (None, justification(name)), f"{name} got the answer of another: {said}")
        twice = {name: count for name, count in self.provider.paid().items() if count > 1}
        self.need(not twice, f"paid twice: {twice}")
        for table in TABLES:
            self._check_written_once(table)
        letters = self.log.read(f"{self.settings().work_topic}.DLQ")
        self.need(not letters, f"work records that could not be judged: {letters}")

    def _check_written_once(self, table: str) -> None:
        values: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for record in self.log.read(self._changelog(table)):
            if record.value is not None:
                values[record.key or b""].add(record.value)
        for key, written in values.items():
            self.need(len(written) == 1, f"{table}: {key!r} was written with {len(written)} different values")

    def _compacted(self, table: str) -> dict[bytes, bytes | None]:
        """The changelog as compaction leaves it."""
        last = {record.key or b"": record.value for record in self.log.read(self._changelog(table))}
        return {key: value for key, value in last.items() if value is not None}

    def _changelog(self, table: str) -> str:
        return dict(zip(TABLES, self.settings().changelog_topics, strict=True))[table]

    @staticmethod
    def need(holds: bool, otherwise: str) -> None:
        """Say which promise is broken if it does not hold."""
        if not holds:
            raise BrokenPromise(otherwise)


class GoogleWorld(World):
    """The same with Google as its provider: an empty list of batches proves nothing, and a cancelled batch has no rows."""

    provider_name = "google"
    model = "gemini-3.8-flash"
