"""An account that refuses is paused: its jobs wait without using attempts, one try now and then, and end in the right error."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from agents.accounts.pause_file import PauseFile
from agents.accounts.pauses import Pauses
from agents.metrics.money import MoneyCounters
from domain.back_off import BackOff
from domain.circuit import Trouble
from domain.reply import ErrorCode, Reply
from providers.protocol import AccountRefused, Ask, OutcomeUnknown, ProviderDown, ProviderError
from streams.wire import work
from tests.model.log import ModelClock
from tests.model.world import World

SPEND_LIMIT = AccountRefused("HTTP 429: enforced_spend_limit_reached", ErrorCode.QUOTA_EXCEEDED)
STRATEGIES = ["per_round", "per_request", "serial_bundle"]
BACK_OFF = {"backoff_first_s": 30.0, "backoff_max_s": 240.0}


async def refused(world: World, strategy: str, error: ProviderError = SPEND_LIMIT, seconds: float = 600.0) -> int:
    """Five rounds at a provider that refuses, for ten minutes; returns how often it was asked."""
    world.provider.refusal = error
    worker = await world.start(llm_batching_strategy=strategy, **BACK_OFF)
    for number in range(5):
        world.request(f"a{number}", f"b{number}", batch=str(number))
    await world.run(worker, seconds=seconds, step_s=30)
    return world.provider.tries


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_few_tries_while_it_lasts_and_answers_afterwards(world: World, strategy: str) -> None:
    tries = await refused(world, strategy)
    # At most all five at once, those in flight together; then after 30, 60, 120 and 240 s, by the model's steps of 30 s.
    assert 1 + 4 <= tries <= 10 + 4
    ended = [record for record in world.work_records() if isinstance(record, work.JobEnded)]
    if strategy == "per_round":
        assert {record.reason for record in ended} == {"account_paused"}
    else:
        assert not ended  # nothing is written of calls that wait
    assert world.workers[0].parts.money.budgets.reserved() == 0.0  # what waits for an account takes no money from the others
    world.provider.refusal = None

    await world.finish(world.workers[0], seconds=300)

    world.check()
    assert {world.result(f"{name}{number}")["winner"] for name in "ab" for number in range(5)} == {"Essay A"}
    plans = [record.plan for record in world.work_records() if isinstance(record, work.JobPlanned)]
    assert {plan.attempt for plan in plans} == {1}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("restarts", [False, True])
async def test_a_deadline_in_the_pause_ends_in_the_accounts_error(world: World, strategy: str, restarts: bool) -> None:
    world.provider.refusal = SPEND_LIMIT
    settings = {"llm_batching_strategy": strategy, "longest_wait_s": 1_800.0, **BACK_OFF}
    worker = await world.start(**settings)
    for number in range(5):
        world.request(f"a{number}", f"b{number}", batch=str(number))
    await world.run(worker, seconds=900, step_s=60)
    if restarts:
        world.commit(worker)
        worker = await world.start(await world.kill(worker), **settings)
    await world.run(worker, seconds=1_020, step_s=60)

    world.check()
    details = [world.result(f"{name}{number}")["error_detail"] for name in "ab" for number in range(5)]
    assert {detail["error_code"] for detail in details} == {"QUOTA_EXCEEDED"}
    assert all("enforced_spend_limit_reached" in detail["message"] for detail in details)


async def test_who_waits_for_a_place_tries_the_account_when_those_before_have_been_cancelled(world: World) -> None:
    """A job that was woken for a free place, and found the account paused, kept all behind it waiting without a try."""
    answered, call = asyncio.Event(), world.provider.call

    async def slow(ask: Ask, *, timeout_s: float) -> Reply:
        await answered.wait()
        return await call(ask, timeout_s=timeout_s)

    world.provider.call = slow  # type: ignore[method-assign]
    world.provider.refusal = SPEND_LIMIT
    openai = {"max_concurrent_calls": 1}
    worker = await world.start(llm_batching_strategy="per_request", openai=openai, backoff_first_s=300.0)
    for number in range(4):
        world.request(f"m{number}", batch=str(number))
    await world.run(worker, seconds=10)
    answered.set()
    await world.run(worker, seconds=10)
    for number in range(2):
        world.record(work.CancelRequested(batch=str(number)))
    world.provider.refusal = None
    await world.finish(worker, seconds=600)
    world.check()
    assert world.result("m3")["winner"] == "Essay A"


@pytest.mark.parametrize("bundle_size", [1, 8])
async def test_the_oldest_ones_deadline_does_not_keep_the_younger_ones_from_being_called(
    world: World, bundle_size: int
) -> None:
    """Gathered 500 s apart, as in a night for hours. And a job that could not try would have kept the account paused."""
    world.provider.refusal = SPEND_LIMIT
    worker = await world.start(
        llm_batching_strategy="serial_bundle",
        quiet_s=700.0,
        window_age_s=700.0,
        longest_wait_s=1_800.0,
        openai={"bundle_size": bundle_size},
        **BACK_OFF,
    )
    world.request("old", announced=2)
    await world.run(worker, seconds=500, step_s=20)
    world.request("young", announced=2)
    await world.run(worker, seconds=1_400, step_s=20)
    assert set(world.events()) == {"old"}
    world.provider.refusal = None
    await world.finish(worker, seconds=360, step_s=20)
    world.check()
    assert world.result("young")["winner"] == "Essay A"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AccountRefused("HTTP 401", ErrorCode.AUTHENTICATION_ERROR), "AUTHENTICATION_ERROR"),
        (ProviderDown("ConnectError", unreachable=True), "EXTERNAL_SERVICE_ERROR"),
        (ProviderDown("HTTP 503"), "EXTERNAL_SERVICE_ERROR"),
    ],
)
async def test_a_deadline_says_what_the_account_had(world: World, error: ProviderError, code: str) -> None:
    world.provider.refusal = error
    worker = await world.start(llm_batching_strategy="per_request", longest_wait_s=1_800.0, **BACK_OFF)
    world.request("a", "b", "c")
    await world.run(worker, seconds=1_920, step_s=60)
    world.check()
    assert [world.result(name)["error_detail"]["error_code"] for name in "abc"] == [code] * 3


@pytest.mark.parametrize("error", [ProviderDown("HTTP 500"), OutcomeUnknown("ReadTimeout")])
async def test_an_outage_of_hours_uses_no_attempt(world: World, error: ProviderError) -> None:
    """Today's rule without a pause: from the seventh failure on each uses one, so that after three hours all had ended."""
    await refused(world, "per_request", error, seconds=10_000)
    assert not world.events()
    world.provider.refusal = None
    await world.finish(world.workers[0], seconds=300)
    world.check()
    assert world.result("a0")["winner"] == "Essay A"


async def test_a_permission_for_one_model_does_not_pause_the_others(world: World) -> None:
    forbidden = AccountRefused("HTTP 403", ErrorCode.AUTHENTICATION_ERROR, certain=False)
    await refused(world, "per_request", forbidden, seconds=0)
    worker = world.workers[0]
    assert worker.parts.money.pauses.pause_of("openai") is not None  # ten different ones, and no answer between them
    world.provider.refusal = None
    await world.finish(worker, seconds=300)
    world.provider.refusal = forbidden
    world.request("alone", batch="9")
    await world.run(worker, seconds=60)
    assert worker.parts.money.pauses.pause_of("openai") is None


def pauses(folder: Path, key: str = "key") -> Pauses:
    counters = MoneyCounters(CollectorRegistry())
    made = Pauses({"openai": key}, BackOff(30.0, 900.0), PauseFile(folder), counters, ModelClock(), lambda *_: False)
    made.recall()
    return made


def test_a_restart_remembers_the_pause_and_may_try_at_once(tmp_path: Path) -> None:
    first = pauses(tmp_path)
    assert first.failed("openai", "a", SPEND_LIMIT)
    again = pauses(tmp_path)
    pause = again.pause_of("openai")
    assert pause is not None
    assert (pause.trouble, pause.code, pause.message) == (Trouble.QUOTA, ErrorCode.QUOTA_EXCEEDED, str(SPEND_LIMIT))
    assert again.sending("openai", "b")
    again.answered("openai", "b")
    assert pauses(tmp_path).pause_of("openai") is None


def test_a_new_key_is_not_held_back_by_the_old_ones_pause(tmp_path: Path) -> None:
    assert pauses(tmp_path).failed("openai", "a", SPEND_LIMIT)
    assert pauses(tmp_path, "another").pause_of("openai") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"openai": ["key", {"trouble": "unheard of"}]}'])
def test_a_file_that_cannot_be_read_pauses_nothing(tmp_path: Path, content: str) -> None:
    PauseFile(tmp_path).path.write_text(content)
    assert pauses(tmp_path).pause_of("openai") is None


def test_a_waiting_job_is_woken_for_the_try_a_small_one_first_and_another_the_next_time(tmp_path: Path) -> None:
    made, woken = pauses(tmp_path), list[str]()
    clock = made._clock
    assert isinstance(clock, ModelClock)
    gone = {"gone"}
    made._wake = lambda partition, job_id: job_id not in gone and not woken.append(job_id)  # type: ignore[func-returns-value]
    made.failed("openai", "x", SPEND_LIMIT)
    for job_id, deadline_ms, members in (("large", 1, 100), ("late", 9, 2), ("early", 5, 2), ("gone", 0, 1)):
        made.wait("openai", (0, job_id), job_id, deadline_ms, members)
    made.tick()
    assert woken == []
    for _ in range(3):
        clock.advance(1_000)
        made.tick()
        made.tick()  # the one that was woken has not been heard of yet
        assert made.sending("openai", woken[-1])
        assert made.failed("openai", woken[-1], SPEND_LIMIT)
        made.wait("openai", (0, f"{woken[-1]} again"), woken[-1], 0, 2)
    assert woken == ["early", "late", "large"]
    clock.advance(1_000)
    assert made.sending("openai", "y")
    made.answered("openai", "y")
    assert sorted(woken[3:]) == ["early again", "large again", "late again"]
    assert made.waiting("openai") == 0
