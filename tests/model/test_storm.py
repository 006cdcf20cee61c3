"""A storm over one worker: accounts that refuse, budgets, full batch queues, kills, rebalances, cancellations, lost creates.

Each seed is one storm of 10 to 40 happenings; ROUNDBATCH_MACHINE_EXAMPLES asks for more of them. After it the provider is well
again: nothing may be left waiting but for money.
"""

import os
import random
from typing import Any

import pytest

from domain.reply import ErrorCode
from providers.protocol import AccountRefused, OutcomeUnknown, ProviderDown
from streams.wire import work
from tests.model.worker import ModelWorker
from tests.model.world import World

FOUND = (8, 31, 75, 79, 99, 105)  # storms that have found something, of the first 120
SEEDS = range(int(os.environ["ROUNDBATCH_MACHINE_EXAMPLES"])) if "ROUNDBATCH_MACHINE_EXAMPLES" in os.environ else FOUND
SOON_MS = 900_000  # of a provider that is well: nothing runs into a deadline later than that
REFUSALS = (
    AccountRefused("429 spend limit", ErrorCode.QUOTA_EXCEEDED),
    AccountRefused("401 key", ErrorCode.AUTHENTICATION_ERROR),
    ProviderDown("503"),
    ProviderDown("no connection", unreachable=True),
    OutcomeUnknown("read timeout"),
)
# By weight: requests and time pass often, what hurts seldom.
HAPPENINGS = (
    ("round",) * 4
    + ("time",) * 5
    + ("well", "ended") * 2
    + (
        "single",
        "refused",
        "killed",
        "moved",
        "cancelled",
        "lost",
        "expired",
    )
)


class Storm:
    """What happens, in an order that the seed decides."""

    def __init__(self, world: World, seed: int) -> None:
        self._world, self._chance = world, random.Random(seed)
        self._sent = 0
        self._settings = self._any_settings()

    def _any_settings(self) -> dict[str, Any]:
        choice, some = self._chance.choice, self._chance.random
        openai = {"max_concurrent_calls": choice((1, 2, 16)), "bundle_size": 1}
        if some() < 0.6:
            openai["max_enqueued_items"] = choice((1, 3, 5))
        settings: dict[str, Any] = {
            "partitions": 1,
            "llm_batching_strategy": choice(("per_round", "serial_bundle", "per_request")),
            "backoff_first_s": 30.0,
            "backoff_max_s": 120.0,
            "longest_wait_s": choice((2_400.0, 12_600.0)),
            "escalate_before_s": choice((0.0, 600.0)),
            "testing": {"retry_batch_min": choice((1, 3))},
            "openai": openai,
        }
        if some() < 0.5:
            settings["budget"] = {"day_usd": choice((0.002, 0.01, 1.0)), "excess": choice(("hold", "refuse"))}
        return settings

    async def begin(self) -> ModelWorker:
        """The first worker."""
        return await self._world.start(**self._settings)

    async def blow(self, worker: ModelWorker) -> ModelWorker:
        """Let all of it happen; returns the worker that is there at the end."""
        for _ in range(self._chance.randint(10, 40)):
            worker = await self._happen(self._chance.choice(HAPPENINGS), worker)
            self._world.check_safety()
        return worker

    async def _happen(self, what: str, worker: ModelWorker) -> ModelWorker:
        world, choice = self._world, self._chance.choice
        match what:
            case "round":
                world.request(*self._names(self._chance.randint(1, 6)), batch=str(choice((1, 2, 3, 4))))
            case "single":
                world.request(*self._names(1), batch=str(choice((1, 2, 3, 4))), announced=choice((1, 2, 3)))
            case "time":
                seconds = choice((1.0, 3.0, 20.0, 200.0))
                await world.run(worker, seconds=seconds, step_s=5.0 if seconds > 20 else choice((0.2, 0.5, 1.0)))
            case "refused":
                world.provider.refusal = choice(REFUSALS)
            case "well":
                world.provider.refusal = None
            case "ended":
                world.provider.end_batches()
            case "expired" if self._sent:
                world.provider.endings[f"m{self._chance.randrange(self._sent)}"].append("expired")
            case "lost":
                world.provider.fates.append(choice(("timeout", "lost")))
            case "cancelled":
                world.record(work.CancelRequested(batch=str(choice((1, 2, 3, 4)))))
            case "killed":
                return await self._killed(worker)
            case "moved":
                self._perhaps_commit(worker)
                worker.revoke()
                await worker.land()
                await world.assign(worker)
        return worker

    def _names(self, count: int) -> list[str]:
        names = [f"m{self._sent + place}" for place in range(count)]
        self._sent += count
        for name in names:
            if self._chance.random() < 0.15:
                self._world.provider.endings[name].append(self._chance.choice(("expired", "missing")))
        return names

    async def _killed(self, worker: ModelWorker) -> ModelWorker:
        self._perhaps_commit(worker)
        late, kept = self._chance.random() < 0.5, self._chance.random() < 0.5
        disk = await self._world.kill(worker, late=late)
        following = await self._world.start(disk if kept else None, **self._settings)
        if late:
            await worker.land()
        return following

    def _perhaps_commit(self, worker: ModelWorker) -> None:
        if self._chance.random() < 0.7:
            self._world.commit(worker)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_storm_leaves_nothing_waiting_but_for_money(world: World, seed: int) -> None:
    storm = Storm(world, seed)
    worker = await storm.blow(await storm.begin())
    world.provider.refusal = None
    well_ms = world.clock.now_ms()
    await world.finish(worker, seconds=2_600, step_s=20)

    faults = [fault for name in world.events() if (fault := world.result(name)["error_detail"])]
    late = [one["details"] for one in faults if one["error_code"] == "TIMEOUT"]
    assert [one for one in late if one.get("deadline_ms", 0) > well_ms + SOON_MS] == []
    waiting = set(world.names.values()) - set(world.events())
    short_of_money, _ = worker.parts.money.budgets.waiting()
    if waiting and short_of_money:
        world.check_safety()
        return
    assert waiting == set()
    world.check()
