"""A night's window after a backlog, with more than a worker cuts in one turn of the event loop; and a look that takes long."""

import itertools
from typing import Any

import pytest

from agents.windows import closer
from agents.windows.closer import Closer
from streams.wire import work
from tests.model.world import World


def planned(world: World) -> list[int]:
    return [record.plan.size for record in world.work_records() if isinstance(record, work.JobPlanned)]


async def test_a_large_window_is_cut_in_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closer, "_AT_ONCE", 20)
    for number in range(9):
        world.request(*(f"c{number * 5 + place}" for place in range(5)), batch=str(number))
    worker = await world.start(llm_batching_strategy="nightly")
    await worker.collect()
    await worker.land()
    world.clock.advance(25 * 3600)  # night has come
    looked = list[Any]()
    monkeypatch.setattr(Closer, "_acknowledged", lambda *of: looked.append(of) is None)
    await worker.tick()
    await worker.land("work")
    assert planned(world) == [20]
    assert len(looked) == 21  # of 45: a turn takes no longer because there are more
    await worker.tick()
    assert planned(world) == [20]  # the others wait until the first are read back
    await world.finish(worker)
    assert planned(world) == [20, 20, 5]
    assert len(world.events()) == 45
    world.check()


async def test_after_a_long_look_at_windows_the_next_one_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await world.start()
    looked, took_s = list[float](), 0.01

    def look(*_: Any) -> None:
        looked.append(world.clock.running_s())
        world.clock.advance(took_s)

    monkeypatch.setattr(Closer, "close_due", look)
    for took_s in (0.01, 10.0):
        looked.clear()
        for _ in range(100):
            await worker.tick()
            world.clock.advance(0.05)
        rests = [after - before - took_s for before, after in itertools.pairwise(looked)]
        assert min(rests) >= min(19 * took_s, 1.0) - 0.001
        assert max(rests) < min(19 * took_s, 1.0) + 0.06
