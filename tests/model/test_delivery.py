"""Events that their topic refuses for their size, played over the model: one event each all the same."""

import pytest

from tests.model.worker import ModelWorker
from tests.model.world import CALLBACK, World


def letters(world: World) -> list[dict[str, str]]:
    found = world.log.read(f"{world.settings().work_topic}.DLQ")
    return [{name: value.decode() for name, value in letter.headers} for letter in found]


LONG = "x" * 3_000  # in the caller's metadata, which comes back whole in a result


def request(world: World, name: str) -> None:
    """A single request with metadata that makes its result a large one."""
    world.request(name, announced=1, note=LONG)


async def refusing(world: World, *, most_bytes: int = 2_500) -> ModelWorker:
    world.log.most_bytes[CALLBACK] = most_bytes
    return await world.start()


async def test_a_result_that_is_refused_for_its_size_becomes_the_smallest_error_event(world: World) -> None:
    worker = await refusing(world)
    request(world, "large")
    world.request("usual", batch="2")
    await world.finish(worker)

    world.check()
    told = world.result("large")
    assert told["error_detail"]["error_code"] == "PROCESSING_ERROR"
    assert "max.message.bytes" in told["error_detail"]["message"]
    assert told["winner"] is None
    assert told["request_metadata"]["essay_a_id"] == "large-a"
    assert len(told["request_metadata"]["prompt_sha256"]) == 64
    assert world.result("usual")["winner"] == "Essay A"
    assert letters(world) == []


async def test_one_that_is_refused_even_so_is_a_dead_letter_and_the_worker_goes_on(world: World) -> None:
    worker = await refusing(world, most_bytes=100)
    request(world, "large")
    await world.finish(worker)

    (letter,) = letters(world)
    assert letter["answered"] == "false"
    assert "max.message.bytes" in letter["error"]
    assert world.events() == {}
    world.log.most_bytes.clear()
    world.request("next", batch="2")
    await world.finish(worker)
    assert world.result("next")["winner"] == "Essay A"


@pytest.mark.parametrize("disk_kept", [True, False])
async def test_what_was_refused_once_stays_an_error_though_the_limit_is_raised_before_it_is_sent_again(
    world: World, disk_kept: bool
) -> None:
    a = await refusing(world)
    request(world, "large")
    world.provider.ends_at_once = True
    while not world.events():
        await a.collect()
        await a.reconcile()
        await a.tick()
        await a.land()
        world.clock.advance(5)
    # The error event is there, and nothing of the work record that led to it is acked: it is read again.
    disk = await world.kill(a)
    (first,) = world.events()["large"]
    world.log.most_bytes.clear()
    b = await world.start(disk if disk_kept else None)
    await world.finish(b)

    world.check()
    assert world.events()["large"] == {first}
    assert len(world.log.read(CALLBACK)) == 2
