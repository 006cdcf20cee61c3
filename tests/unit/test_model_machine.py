"""Any interleaving of two workers, crashes, late records and a provider's whims keeps the promises 1 to 3.

The machine plays steps at random over the model; at the end everything in flight lands, one worker is left, and all must be
answered once, paid once, and cleaned up. `ROUNDBATCH_MACHINE_EXAMPLES=2000` plays longer, and other games each time.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams import failstop
from tests.unit.model.fixtures import Stopped
from tests.unit.model.log import Disk
from tests.unit.model.worker import ModelWorker
from tests.unit.model.world import World

T = TypeVar("T")
LONG = int(os.environ.get("ROUNDBATCH_MACHINE_EXAMPLES", "0"))
SLOTS = st.integers(0, 1)


class TwoWorkers(RuleBasedStateMachine):
    """Two machines that hold one partition in turn; the one that has lost it may not notice."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World()
        self.slots: list[ModelWorker | None] = [None, None]
        self.disks: list[Disk | None] = [None, None]
        self.late: list[ModelWorker] = []
        self.real_stop = failstop.stop
        failstop.stop = self.stop

    def stop(self, where: str, error: BaseException) -> NoReturn:
        self.world.stopped.append(f"{where}: {error!r}")
        raise Stopped(where) from error

    def play(self, step: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(step)

    def holding(self, slot: int) -> ModelWorker | None:
        """The worker of a slot, if it believes that it has the partition."""
        worker = self.slots[slot]
        return worker if worker is not None and worker.views.view is not None else None

    # -- producers -----------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 3), batch=st.sampled_from("ab"), announced=st.none() | st.integers(1, 3))
    def request(self, count: int, batch: str, announced: int | None) -> None:
        names = [f"m{len(self.world.names) + more}" for more in range(count if announced is None else 1)]
        self.world.request(*names, batch=batch, announced=announced)

    @rule(data=st.data())
    @precondition(lambda self: self.world.names)
    def request_again(self, data: st.DataObject) -> None:
        records = self.world.log.read(self.world.settings().request_topic)
        self.world.log.append(records[0].topic, data.draw(st.sampled_from(records)).value)

    # -- workers -------------------------------------------------------------------------------------------------

    @rule(slot=SLOTS, noticed=st.booleans())
    def assign(self, slot: int, noticed: bool) -> None:
        other = self.holding(1 - slot)
        if noticed and other is not None:
            other.revoke()
        self.play(self._assign(slot))

    async def _assign(self, slot: int) -> None:
        worker = self.slots[slot]
        if worker is None:
            worker = self.slots[slot] = self.world.worker(self.disks[slot])
        worker.revoke()
        await self.world.assign(worker)
        await worker.tick()

    @rule(slot=SLOTS, late=st.booleans(), disk_kept=st.booleans())
    def kill(self, slot: int, late: bool, disk_kept: bool) -> None:
        worker, self.slots[slot] = self.slots[slot], None
        if worker is not None:
            disk = self.play(self.world.kill(worker, late=late))
            self.disks[slot] = disk if disk_kept else None
            self.late += [worker] if late else []

    @rule(slot=SLOTS, most=st.integers(1, 4))
    def collect(self, slot: int, most: int) -> None:
        worker = self.holding(slot)
        if worker is not None:
            self.play(worker.collect(most))

    @rule(slot=SLOTS, most=st.integers(1, 4))
    def reconcile(self, slot: int, most: int) -> None:
        worker = self.holding(slot)
        if worker is not None:
            self.play(worker.reconcile(most))

    @rule(slot=SLOTS)
    def tick(self, slot: int) -> None:
        worker = self.holding(slot)
        if worker is not None:
            self.play(worker.tick())

    @rule(slot=SLOTS, times=st.integers(1, 3))
    def work_undisturbed(self, slot: int, times: int) -> None:
        worker = self.holding(slot)
        if worker is not None:
            for _ in range(times):
                self.play(self.world.turn(worker))

    @rule(slot=SLOTS, data=st.data(), most=st.integers(1, 3))
    def land(self, slot: int, data: st.DataObject, most: int) -> None:
        worker = self.slots[slot]
        if worker is not None and worker.outbox.flying():
            self.play(worker.land(data.draw(st.sampled_from(worker.outbox.flying())), most=most))

    @rule(data=st.data(), most=st.integers(1, 3))
    @precondition(lambda self: any(worker.outbox.flying() for worker in self.late))
    def land_late(self, data: st.DataObject, most: int) -> None:
        flying = [(worker, topic) for worker in self.late for topic in worker.outbox.flying()]
        worker, topic = data.draw(st.sampled_from(flying))
        self.play(worker.land(topic, most=most))

    @rule()
    def commit(self) -> None:
        if self.world.owner in self.slots and self.world.owner is not None:
            self.world.commit(self.world.owner)

    # -- clock and provider --------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 3, 35, 300, 300, 5_000]))
    def advance(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @rule(fate=st.sampled_from(["timeout", "lost"]))
    def next_create_is_of_unknown_fate(self, fate: str) -> None:
        self.world.provider.fates.append(fate)

    @rule(data=st.data(), ending=st.sampled_from(["expired", "missing"]))
    @precondition(lambda self: self.world.names)
    def row_will_not_be_answered(self, data: st.DataObject, ending: str) -> None:
        self.world.provider.endings[data.draw(st.sampled_from(sorted(self.world.names.values())))].append(ending)

    @rule()
    def end_batches(self) -> None:
        self.world.provider.end_batches()

    @rule(unreadable=st.booleans())
    def list_of_batches(self, unreadable: bool) -> None:
        self.world.provider.unreadable = unreadable

    # -- what must hold ------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_broken(self) -> None:
        self.world.check_safety()

    def teardown(self) -> None:
        try:
            self.play(self.come_to_rest())
            self.world.check()
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
    max_examples=LONG or 20,
    stateful_step_count=40,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
