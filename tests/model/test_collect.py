"""collect over memory: what becomes of each inbound record, and what must be done before its offset is acked."""

import json
import uuid
from typing import Any

import pytest

from domain import arriving
from streams.wire import work
from streams.wire.request_events import round_event, single_event
from tests.model.log import Record
from tests.model.worker import ModelWorker
from tests.model.world import CALLBACK, World


def body(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "user_prompt": f"Compare the essays of <{name}>.",
        "callback_topic": CALLBACK,
        "correlation_id": str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        "metadata": {"essay_a_id": f"{name}-a", "essay_b_id": f"{name}-b", "cj_batch_id": "1"},
        **changes,
    }


def send(world: World, value: bytes | None) -> None:
    world.log.append(world.settings().request_topic, value, b"key")


def expect(world: World, *names: str) -> None:
    """These are to end in one event each."""
    world.names.update({str(uuid.uuid5(uuid.NAMESPACE_OID, name)): name for name in names})


def letters(world: World) -> list[Record]:
    return world.log.read(f"{world.settings().request_topic}.DLQ")


def headers(letter: Record) -> dict[str, str]:
    return {name: value.decode() for name, value in letter.headers}


def codes(world: World) -> dict[str, str]:
    found = {name: world.result(name) for name in world.events()}
    return {name: data["winner"] or data["error_detail"]["error_code"] for name, data in found.items()}


async def test_a_record_with_neither_key_nor_value_is_a_dead_letter_with_an_empty_one(world: World) -> None:
    worker = await world.start()
    for topic in (world.settings().request_topic, world.settings().work_topic):
        world.log.append(topic, None, None)
    await world.finish(worker)

    for topic in (world.settings().request_topic, world.settings().work_topic):
        assert [(letter.key, letter.value) for letter in world.log.read(f"{topic}.DLQ")] == [(None, b"")]


async def test_a_record_that_cannot_be_read_is_a_dead_letter_as_it_came(world: World) -> None:
    worker = await world.start()
    for value in (b"\xff", None, b"[]"):
        send(world, value)
    await world.finish(worker)

    assert [letter.value for letter in letters(world)] == [b"\xff", None, b"[]"]
    assert {letter.key for letter in letters(world)} == {b"key"}
    said = headers(letters(world)[1])
    assert said == {
        "source_topic": world.settings().request_topic,
        "source_partition": str(letters(world)[0].partition),
        "source_offset": "1",
        "reason": "undecodable",
        "error": "the record has no value: a tombstone requests nothing",
        "time_ms": said["time_ms"],
        "answered": "false",
    }
    assert worker.consumer.acked[world.settings().request_topic] == 3
    world.check()


async def test_a_request_older_than_the_ids_that_are_remembered_is_a_dead_letter(world: World) -> None:
    send(world, round_event([body("old")]))
    world.clock.advance(world.settings().dedup_retention_s + 1)
    worker = await world.start()
    send(world, round_event([body("new")]))
    expect(world, "new")
    await world.finish(worker)

    (letter,) = letters(world)
    assert headers(letter)["answered"] == "false"
    assert "send it again under a new correlation id" in headers(letter)["error"]
    world.check()


async def test_a_failure_of_a_pure_step_makes_its_record_a_dead_letter_and_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = arriving.arrive

    def arrive(offset: int, *rest: Any, **more: Any) -> Any:
        if offset == 0:
            raise ArithmeticError("cannot judge this")
        return whole(offset, *rest, **more)

    monkeypatch.setattr("agents.planning.planner.arrive", arrive)
    worker = await world.start()
    send(world, round_event([body("unlucky")]))
    send(world, round_event([body("lucky")]))
    expect(world, "lucky")
    await world.finish(worker)

    (letter,) = letters(world)
    assert "cannot judge this" in headers(letter)["error"]
    world.check()


async def test_each_member_that_is_bad_ends_alone(world: World) -> None:
    worker = await world.start()
    members: list[Any] = [
        body("good"),
        body("empty", user_prompt=""),
        body("elsewhere", callback_topic="not.allowed"),
        body("keyless", llm_config_overrides={"provider_override": "anthropic"}),
        body("nameless", correlation_id=None),
        body("good"),
        body("good", user_prompt="something else"),
        "no object",
    ]
    send(world, round_event(members))
    expect(world, "good", "empty", "keyless")
    await world.finish(worker)

    world.check()
    assert codes(world) == {"good": "Essay A", "empty": "VALIDATION_ERROR", "keyless": "CONFIGURATION_ERROR"}
    found = {int(headers(letter)["position"]): headers(letter)["answered"] for letter in letters(world)}
    assert found == {1: "true", 2: "false", 3: "true", 4: "false", 6: "false", 7: "false"}
    values = [json.loads(letter.value or b"") for letter in letters(world)]
    assert all(value["comparison"] == members[value["position"]] for value in values)


async def test_a_repeated_request_is_read_and_asks_nothing(world: World) -> None:
    worker = await world.start()
    send(world, round_event([body("one"), body("two")]))
    expect(world, "one", "two")
    await world.finish(worker)
    send(world, single_event(body("two")))
    await world.finish(worker)

    world.check()
    assert world.provider.paid() == {"one": 1, "two": 1}
    assert letters(world) == []


@pytest.mark.parametrize("held", ["DLQ", "rounds", "requests", "work"])
async def test_a_record_is_acked_when_all_that_it_led_to_is_acknowledged(world: World, held: str) -> None:
    worker = await world.start()
    send(world, round_event([body("good"), body("empty", user_prompt="")]))
    await worker.collect()
    inbound = world.settings().request_topic
    for topic in {"DLQ", "rounds", "requests", "work"} - {held}:
        await worker.land(topic)
    assert worker.consumer.acked[inbound] == 0

    await worker.land(held)

    assert worker.consumer.acked[inbound] == 1


async def test_records_are_acked_in_order_whichever_is_acknowledged_first(world: World) -> None:
    worker = await world.start()
    send(world, b"\xff")
    send(world, round_event([body("good")]))
    await worker.collect()
    await worker.land("rounds", "requests")
    assert worker.consumer.acked[world.settings().request_topic] == 0  # the first one's dead letter is still in flight

    await worker.land("DLQ")

    assert worker.consumer.acked[world.settings().request_topic] == 2


def rejections(world: World) -> set[bytes]:
    found = [record.value or b"" for record in world.log.read(world.settings().work_topic)]
    return {value for value in found if isinstance(work.decode(value), work.Outcomes)}


async def test_a_record_read_again_writes_and_sends_the_same_though_settings_and_time_have_changed(world: World) -> None:
    worker = await world.start()
    send(world, round_event([body("good"), body("keyless", llm_config_overrides={"provider_override": "anthropic"})]))
    expect(world, "good", "keyless")
    await worker.collect()
    await worker.land()
    disk = await world.kill(worker)
    world.clock.advance(60)

    # The second process has a key for the provider that the first one had none for, and another model.
    again = await world.start(disk, model="gpt-6.1-sol", anthropic={"api_key": "key"})
    await again.collect()
    await again.land("requests", "rounds", "work")

    assert len(rejections(world)) == 1
    await world.finish(again)
    world.check()
    assert codes(world) == {"good": "Essay A", "keyless": "CONFIGURATION_ERROR"}
    assert world.result("good")["model"] == "gpt-6-luna"


async def test_a_record_of_very_many_bad_members_is_answered_member_by_member(world: World) -> None:
    """The rejections of 8,000, which fit into a record, do not fit into one work record: it stopped the process."""
    worker = await world.start()
    names = [f"m{number}" for number in range(2_500)]
    send(world, round_event([{"callback_topic": CALLBACK, "correlation_id": body(name)["correlation_id"]} for name in names]))
    expect(world, *names)
    await world.run(worker, seconds=0)

    assert world.stopped == []
    assert {len(events) for events in world.events().values()} == {1}
    assert len(world.events()) == len(letters(world)) == len(names)
    sizes = [len(record.outcomes) for record in world.work_records() if isinstance(record, work.Outcomes)]
    assert max(sizes) <= 1_000
    assert sum(sizes) == len(names)


@pytest.fixture
async def joined(world: World) -> ModelWorker:
    """A worker that has read a round of two parts, of which the second came first."""
    worker = await world.start()
    send(world, round_event([body("three"), body("four")], 2, 2))
    send(world, round_event([body("one"), body("two")], 1, 2))
    expect(world, "one", "two", "three", "four")
    await world.finish(worker)
    return worker


async def test_parts_are_one_job_and_what_comes_late_is_gathered_until_quiet(world: World, joined: ModelWorker) -> None:
    for name in ("five", "six"):
        send(world, single_event(body(name)))
    expect(world, "five", "six")
    await world.finish(joined)

    world.check()
    plans = [record.plan for record in world.work_records() if isinstance(record, work.JobPlanned)]
    assert [(plan.closed_by.value, len(plan.members)) for plan in plans] == [("complete", 4), ("quiet", 2)]
