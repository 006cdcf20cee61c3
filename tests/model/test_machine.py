"""Any interleaving of two workers, crashes, late records and a provider's whims keeps the promises 1 to 3.

The machine plays steps at random over the model; at the end everything in flight lands, one worker is left, and all must be
answered once, paid once, and cleaned up. In half of the games every line is audited, and each audit must be counted once.
`ROUNDBATCH_MACHINE_EXAMPLES=2000` plays longer, and other games each time.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams import failstop
from tests.model.audited import AuditedWorld
from tests.model.log import Disk
from tests.model.worker import ModelWorker
from tests.model.world import Stopped, World

T = TypeVar("T")
LONG = int(os.environ.get("ROUNDBATCH_MACHINE_EXAMPLES", "0"))


class TwoWorkers(RuleBasedStateMachine):
    """Two machines that hold one partition in turn; the one that has lost it may not notice."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world: World = World()
        self.slots: list[ModelWorker | None] = [None, None]
        self.disks: list[Disk | None] = [None, None]
        self.late: list[ModelWorker] = []
        self.real_stop = failstop.stop
        failstop.stop = self.stop

    def stop(self, where: str, error: BaseException, at: failstop.RecordPlace | None = None) -> NoReturn:
        self.world.stopped.append(f"{where}: {error!r}")
        raise Stopped(where) from error

    def play(self, step: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(step)

    def holders(self) -> list[ModelWorker]:
        """The workers that believe that they have the partition."""
        return [worker for worker in self.slots if worker is not None and worker.views.view is not None]

    def one(self, which: int) -> ModelWorker:
        """One of them; where there is none, slot 0 gets the partition."""
        if not self.holders():
            self.play(self._assign(0))
        holders = self.holders()
        return holders[which % len(holders)]

    # -- producers -----------------------------------------------------------------------------------------------

    @initialize(counts=st.lists(st.integers(1, 3), min_size=1, max_size=2), ends_at_once=st.booleans(), audited=st.booleans())
    def begin(self, counts: list[int], ends_at_once: bool, audited: bool) -> None:
        self.world = AuditedWorld() if audited else World()
        self.world.provider.ends_at_once = ends_at_once
        for number, count in enumerate(counts):
            self.request(count, "ab"[number], None)

    def request(self, count: int, batch: str, announced: int | None) -> None:
        names = [f"m{len(self.world.names) + more}" for more in range(count if announced is None else 1)]
        self.world.request(*names, batch=batch, announced=announced)

    @rule(count=st.integers(1, 3), batch=st.sampled_from("ab"), announced=st.none() | st.integers(1, 3), again=st.booleans())
    def produce(self, count: int, batch: str, announced: int | None, again: bool) -> None:
        if again:
            records = self.world.log.read(self.world.settings().request_topic)
            self.world.log.append(records[0].topic, records[count % len(records)].value)
        else:
            self.request(count, batch, announced)

    # -- workers -------------------------------------------------------------------------------------------------

    @rule(slot=st.integers(0, 1), noticed=st.booleans(), same_name=st.booleans())
    def assign(self, slot: int, noticed: bool, same_name: bool) -> None:
        other = self.slots[1 - slot]
        if noticed and other is not None:
            other.revoke()
        self.play(self._assign(slot, same_name))

    @rule(which=st.integers(0, 1), times=st.integers(1, 2))
    def rebalance(self, which: int, times: int) -> None:
        """A rebalance in which the owner keeps the partition: all it has sent lands, and what it has acked is committed."""
        owner = self.world.owner
        if owner is None or owner not in self.slots or owner.views.view is None:
            return
        for _ in range(times):
            self.play(self.world.turn(owner))
            self.world.commit(owner)
            owner.revoke()
            self.play(self.world.assign(owner))

    async def _assign(self, slot: int, same_name: bool = False) -> None:
        worker = self.slots[slot]
        if worker is None:
            worker = self.slots[slot] = self.world.worker(self.disks[slot])
        worker.revoke()
        await self.world.assign(worker, same_name=same_name)
        await worker.tick()

    @rule(slot=st.integers(0, 1), committed=st.booleans(), late=st.booleans(), disk_kept=st.booleans())
    def kill(self, slot: int, committed: bool, late: bool, disk_kept: bool) -> None:
        worker, self.slots[slot] = self.slots[slot], None
        if worker is not None:
            if committed:
                self.world.commit(worker)
            disk = self.play(self.world.kill(worker, late=late))
            self.disks[slot] = disk if disk_kept else None
            self.late += [worker] if late else []

    @rule(which=st.integers(0, 1), most=st.integers(1, 3))
    def collect(self, which: int, most: int) -> None:
        self.play(self.one(which).collect(most))

    @rule(which=st.integers(0, 1), most=st.integers(1, 3))
    def reconcile(self, which: int, most: int) -> None:
        self.play(self.one(which).reconcile(most))

    @rule(which=st.integers(0, 1), wait_s=st.sampled_from([0, 3, 6, 35]))
    def tick(self, which: int, wait_s: int) -> None:
        worker = self.one(which)
        self.world.clock.advance(wait_s)
        self.play(worker.tick())

    @rule(which=st.integers(0, 1), times=st.integers(1, 3), wait_s=st.sampled_from([0, 6]))
    def work_undisturbed(self, which: int, times: int, wait_s: int) -> None:
        worker = self.one(which)
        for _ in range(times):
            self.play(self.world.turn(worker))
            self.world.clock.advance(wait_s)

    @rule(which=st.integers(0, 9), topic=st.integers(0, 9), most=st.integers(1, 3))
    def land(self, which: int, topic: int, most: int) -> None:
        flying = [worker for worker in (*self.slots, *self.late) if worker is not None and worker.outbox.flying()]
        if flying:
            worker = flying[which % len(flying)]
            topics = worker.outbox.flying()
            self.play(worker.land(topics[topic % len(topics)], most=most))

    @rule(which=st.integers(0, 1), words=st.sampled_from([("work",), ("changelog",), ("work", "changelog")]))
    def land_most(self, which: int, words: tuple[str, ...]) -> None:
        self.play(self.one(which).land(*words))

    @rule(which=st.integers(0, 1), by_name=st.booleans())
    def commit(self, which: int, by_name: bool) -> None:
        """The owner's commit, or that of a worker which Kafka cannot tell from it."""
        if by_name:
            self.world.commit(self.one(which), by_name=True)
        elif self.world.owner in self.slots and self.world.owner is not None:
            self.world.commit(self.world.owner)

    # -- clock and provider --------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([35, 300, 300, 5_000]))
    def advance(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule(
        whim=st.sampled_from(["timeout", "timeout", "lost", "expired", "missing", "end", "unreadable"]), which=st.integers(0, 9)
    )
    def whim(self, whim: str, which: int) -> None:
        """The provider: a create of unknown fate, a row without an answer, all batches end, no list is to be had."""
        provider = self.world.provider
        names = sorted(self.world.names.values())
        if whim in ("timeout", "lost"):
            provider.fates.append(whim)
        elif whim in ("expired", "missing"):
            provider.endings[names[which % len(names)]].append(whim)
        elif whim == "end":
            provider.end_batches()
        else:
            provider.unreadable = not provider.unreadable

    # -- what must hold ------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_broken(self) -> None:
        self.world.check_safety()

    def teardown(self) -> None:
        try:
            self.play(self.come_to_rest())
            self.world.check()
            if isinstance(self.world, AuditedWorld):
                self.world.check_audits()
        finally:
            failstop.stop = self.real_stop
            self.play(self.world.stop())
            self.loop.close()

    async def come_to_rest(self) -> None:
        """All that is in flight lands, and one new worker is left to finish."""
        provider = self.world.provider
        provider.unreadable = False
        provider.fates.clear()
        for worker in self.slots:
            if worker is not None:
                await self.world.kill(worker, late=True)
                self.late.append(worker)
        for worker in self.late:
            await worker.land()
        await self.world.finish(await self.world.start(), seconds=2_400, step_s=60)


TestTwoWorkers = TwoWorkers.TestCase
TestTwoWorkers.settings = settings(
    max_examples=LONG or 10,
    stateful_step_count=50,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
