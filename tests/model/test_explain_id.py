"""`roundbatch explain ID`: a comparison's life, read out of the topics of the model after the model has worked."""

import uuid
from types import SimpleNamespace

import pytest

from cli.explain.life import Found, Step, WorkScan, dead_letter, find, requested, result
from domain.comparison import Member
from domain.reconciling import JobEnd, Overdue
from streams.wire import work
from tests.model.log import Record
from tests.model.world import CALLBACK, World


def id_of(name: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_OID, name)


def places(world: World, name: str) -> list[Found]:
    records = world.log.read(world.settings().request_topic)
    return [one for record in records for one in find(id_of(name), 0, record.offset, _ms(record), record.value)]


def life(world: World, name: str) -> tuple[list[tuple[str, str]], str]:
    """What each work record was to a comparison, and how it stands."""
    reading = WorkScan("work", places(world, name)[0], id_of(name))
    records = world.log.read(world.settings().work_topic)
    steps = [step for record in records for step in reading.read(record.offset, _ms(record), record.value)]
    return [(step.what, step.said) for step in steps], reading.standing


def _ms(record: Record) -> int:
    return round(record.timestamp * 1000)


async def test_an_answered_comparison(world: World) -> None:
    worker = await world.start()
    world.request("m0", "m1", batch="7")
    await world.finish(worker)
    steps, standing = life(world, "m1")
    assert ([what for what, _ in steps], standing) == (
        ["planned", "claimed", "submitted", "outcome", "done"],
        "ended",
    )
    said = dict(steps)
    assert "line 1 of 2, as a batch at openai gpt-6-luna, closed by complete, attempt 1" in said["planned"]
    assert said["submitted"].endswith(" as batch-0")
    assert said["outcome"].startswith("Essay A, confidence 3, $0.")


async def test_a_limit_on_bundles_is_told_until_the_comparison_is_planned(world: World) -> None:
    worker = await world.start()
    world.request("m0", announced=2)
    world.record(work.BundlesLimited(provider="openai", model="gpt-6-luna", most=2, reason="bent"))
    await world.run(worker, seconds=5)
    world.request("m1", announced=2)
    await world.run(worker, seconds=5)
    world.record(work.BundlesLimited(provider="openai", model="gpt-6-luna", most=0))
    await world.finish(worker)
    said = [text for what, text in life(world, "m0")[0] if what == "limited"]
    assert said == ["from here on openai gpt-6-luna: at most 2 comparisons in a line (bent)"]


async def test_an_older_log_tells_of_the_end_of_each_job(world: World) -> None:
    """Earlier workers sent JobEnded also where its outcomes had ended every member."""
    worker = await world.start()
    world.request("m0", "m1", batch="7")
    await world.finish(worker)
    claim = next(offset for offset, record in enumerate(world.work_records()) if isinstance(record, work.SubmitClaimed))
    job_id = next(record.job_id for record in world.work_records() if isinstance(record, work.SubmitClaimed))
    world.record(work.JobEnded(job_id=job_id, claim_offset=claim, reason=JobEnd.READ, answered=2))
    await world.finish(worker)
    world.check()
    assert dict(life(world, "m1")[0])["job ended"].endswith("read; nothing of it was open any more")


async def test_jobs_of_others_are_not_told(world: World) -> None:
    worker = await world.start()
    world.request("m0", batch="7")
    world.request("m1", batch="8")
    await world.finish(worker)
    assert [what for what, _ in life(world, "m0")[0]].count("planned") == 1
    assert "batch-0" in str(life(world, "m0"))
    assert "batch-1" not in str(life(world, "m0"))


async def test_one_asked_again_is_followed_into_its_next_job(world: World) -> None:
    world.provider.endings["m0"].append("expired")
    worker = await world.start()
    world.request("m0", "m1")
    await world.finish(worker)
    steps, _ = life(world, "m0")
    assert [what for what, _ in steps][:7] == [
        "planned",
        "claimed",
        "submitted",
        "outcome",
        "job ended",
        "planned",
        "claimed",
    ]
    planned = [said for what, said in steps if what == "planned"]
    assert planned[1].endswith("closed by replanned, attempt 2")
    assert planned[0].split(",")[0] != planned[1].split(",")[0]
    batches = [batch.job_id for batch in world.provider.batches]
    assert [said.split(",")[0].removeprefix("job ") for said in planned] == batches  # the ids that the worker has made


async def test_one_refused_in_halves_ends_alone(world: World) -> None:
    world.provider.refused.add("bad")
    worker = await world.start()
    world.request("bad", "good", "fine")
    await world.finish(worker)
    steps, standing = life(world, "bad")
    assert standing == "ended"
    assert steps[-2][0] == "ended"
    assert steps[-2][1].startswith("INVALID_REQUEST: ")


async def test_a_cancelled_one(world: World) -> None:
    worker = await world.start()
    world.request("m0", batch="7")
    await world.run(worker, seconds=20)
    assert life(world, "m0")[1].endswith("submitted as batch-0")
    world.record(work.CancelRequested(batch="7"))
    world.record(work.CancelRequested(batch="77"))
    await world.finish(worker)
    steps, _ = life(world, "m0")
    assert [said for what, said in steps if what == "cancel"] == ["requested for 7"]
    assert ("outcome", "SERVICE_UNAVAILABLE: cancelled on request, without a job") in steps


async def test_a_passed_deadline_and_an_answer_that_comes_too_late(world: World) -> None:
    worker = await world.start()
    world.request("m0")
    await world.run(worker, seconds=20)
    world.record(work.DeadlinePassed(overdue=(Overdue(Member(0, 0), "openai", "m", "batch_api", world.clock.now_ms() - 1),)))
    await world.finish(worker)
    steps, _ = life(world, "m0")
    assert [said for what, said in steps if what == "ended"] == ["TIMEOUT: the deadline passed before the provider answered"]


async def test_a_request_is_found_by_id_alone_with_its_duplicates(world: World) -> None:
    world.request("m0", "m1")
    world.request("m1")
    world.request("m1", batch="2")
    found = places(world, "m1")
    assert [(one.member, one.size, one.round_key, one.batch) for one in found] == [
        (Member(0, 1), 2, "cj:1:0", "1"),
        (Member(1, 0), 1, "cj:1:0", "1"),
        (Member(2, 0), 1, "cj:2:0", "2"),
    ]
    assert [step.said.partition(";")[2].strip() for step in requested(World.settings(), found)] == [
        "",
        "a duplicate, passed over",
        "other content than before: a dead letter",
    ]
    assert places(world, "never sent") == []


async def test_its_event_is_known_by_its_key(world: World) -> None:
    worker = await world.start()
    world.request("m0", "m1")
    await world.finish(worker)
    events = world.log.read(CALLBACK)
    steps = [result(id_of("m0"), "t", 0, one.offset, _ms(one), one) for one in events]
    (step,) = [step for step in steps if step is not None]
    assert step.what == "event"
    assert step.said.startswith("Essay A, event id ")
    odd = result(id_of("m0"), "t", 0, 1, 2, SimpleNamespace(key=str(id_of("m0")).encode(), value=b"?"))
    assert odd == Step(2, "t", 0, 1, "event", "not a result event")


@pytest.mark.parametrize(
    ("headers", "is_its_own"),
    [
        ({"source_partition": "0", "source_offset": "0", "position": "1"}, True),
        ({"source_partition": "0", "source_offset": "0"}, True),
        ({"source_partition": "0", "source_offset": "0", "position": "0"}, False),
        ({"source_partition": "1", "source_offset": "0"}, False),
        ({}, False),
    ],
)
async def test_its_dead_letter_is_known_by_its_place(world: World, headers: dict[str, str], is_its_own: bool) -> None:
    world.request("m0", "m1")
    assert (dead_letter(places(world, "m1"), "t.DLQ", 0, 5, 9, headers) is not None) is is_its_own


@pytest.mark.parametrize(
    ("provider", "mode", "said"),
    [
        ("mock", "provider_batch_api", "; it asks for a batch, and mock takes no batch jobs: it goes as per_request"),
        ("mock", "per_request", ""),
        ("", "provider_batch_api", ""),
    ],
)
def test_a_batch_that_the_provider_does_not_take_is_told(provider: str, mode: str, said: str) -> None:
    found = Found(0, Member(0, 0), 0, 1, "cj:1:0", "1", "", None, provider, mode)
    (step,) = requested(World.settings(), [found])
    assert step.said == f"position 0 of 1, round cj:1:0{said}"


def test_what_is_no_record_is_passed_over() -> None:
    found = Found(0, Member(0, 0), 0, 1, "cj:1:0", "1", "", None)
    assert WorkScan("work", found, id_of("m0")).read(0, 0, b"{}") == []
    assert find(id_of("m0"), 0, 0, 0, None) == []
    assert find(id_of("m0"), 0, 0, 0, str(id_of("m0")).encode()) == []
