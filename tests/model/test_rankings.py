"""What a worker tells of the rankings of its open batches, when somebody asks."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from agents.status import rankings
from agents.status.rankings import OpenRankings
from domain.ranking_summary import Summary
from simulator.judging import LINE_A
from streams.wire.status.rankings import BatchRanking
from tests.model.judged import JudgedWorld
from tests.model.worker import ModelWorker

ESSAYS = {f"e{n:02}": f"[quality:{n / 11:.3f}] The harbour lay still." for n in range(12)}
TURNED = ESSAYS | {"e00": f"{ESSAYS['e00']} {LINE_A}"}


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as captured:
        monkeypatch.setattr(rankings, "log", structlog.get_logger())
        yield captured


def of(world: JudgedWorld, worker: ModelWorker) -> OpenRankings:
    return OpenRankings([worker.view], worker._tables, world.clock)


async def ask_and_answer_all_but_one(world: JudgedWorld, worker: ModelWorker) -> None:
    """One comparison more comes when the others are answered, and waits in its window: so the batch is open."""
    world.ask()
    await world.run(worker, seconds=120)
    world.ask_one("e00", "e01", iteration=9)
    await worker.collect()


async def test_an_open_batch_is_told_with_its_ranking(logs: list[MutableMapping[str, Any]]) -> None:
    world = JudgedWorld(ESSAYS)
    worker = await world.start()
    await ask_and_answer_all_but_one(world, worker)
    asking = of(world, worker)
    told = await asking.told()
    (one,) = told.shown
    assert (told.open, one.batch, one.asked, one.answered, one.failed, one.unseen) == (1, "cj:1", 67, 66, 0, 0)
    assert (one.essays, one.least, one.mean, one.groups, one.suspects) == (12, 11, 11.0, 1, 0)
    assert one.reliability is not None
    assert one.reliability > 0.8
    assert one.order_points is not None
    assert list(one.unlikely_lines) == []
    assert not [entry for entry in logs if entry["event"] == "line_one_letter"]
    await world.run(worker, seconds=60)
    after = await asking.told()  # between two rounds it stays
    assert (after.open, [(batch.asked, batch.answered) for batch in after.shown]) == (0, [(67, 67)])
    assert (await of(world, worker).told()).shown == []  # but nobody looks at what is long done
    world.clock.advance(600)
    assert (await asking.told()).shown == []
    await world.stop()


async def test_a_line_that_was_turned_is_told_and_logged_once(logs: list[MutableMapping[str, Any]]) -> None:
    """Its words are none that a rule knows, so it goes with the others, and all of its line are A."""
    world = JudgedWorld(ESSAYS, injection_obeyed=1.0)
    worker = await world.start(openai={"bundle_size": 33})
    for iteration in range(1, 5):
        world.ask(iteration=iteration)
    await world.run(worker, seconds=60)
    world.texts = TURNED
    await ask_and_answer_all_but_one(world, worker)
    asking = of(world, worker)
    (one,) = (await asking.told()).shown
    assert one.answered == 5 * 66
    assert [line.comparisons for line in one.unlikely_lines] == [33, 33]  # it stands in both lines of its round
    world.clock.advance(60)
    await asking.told()
    said = [(entry["job_id"], entry["line"], entry["round"]) for entry in logs if entry["event"] == "line_one_letter"]
    assert said == [(line.job_id, line.line, "cj:1:0") for line in one.unlikely_lines]
    await world.stop()


async def test_a_fit_is_made_again_only_when_there_are_new_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counting(verdicts: Any, lines: Any) -> Summary:
        made.append(len(verdicts))
        return Summary(12, 11, 11.0, 1)

    monkeypatch.setattr(rankings, "summary", counting)
    world = JudgedWorld(ESSAYS)
    worker = await world.start()
    await ask_and_answer_all_but_one(world, worker)
    asking = of(world, worker)
    for _ in range(3):
        await asking.told()
        world.clock.advance(60)
    assert made == [66]
    await world.run(worker, seconds=60)
    world.ask_one("e00", "e02", iteration=2)
    await worker.collect()
    await asking.told()
    assert made == [66, 67]
    await world.stop()


async def test_what_the_tables_do_not_know_is_told_apart_and_after_a_restart_all_is_there() -> None:
    world = JudgedWorld(ESSAYS)
    worker = await world.start()
    world.request("plain", batch="1")  # its blocks show no essays
    await ask_and_answer_all_but_one(world, worker)
    before = (await of(world, worker).told()).shown[0]
    assert (before.asked, before.answered, before.unseen) == (68, 67, 1)
    world.commit(worker)
    following = await world.start(await world.kill(worker))
    await following.collect()
    await following.reconcile()
    after: BatchRanking = (await of(world, following).told()).shown[0]
    assert after == before
    await world.stop()
