"""Tidying over the real adapters: what was uploaded without a batch is deleted, the input of batches is not."""

import time

import httpx2
import pytest
from pydantic import SecretStr

from agents.accounts.open import open_accounts
from agents.jobs.orphan_files import OrphanFiles
from agents.liveness.heartbeats import silent
from providers.protocol import Ask, PromptBlock, StartRefused
from settings.provider import AnthropicSettings, GoogleSettings, OpenAISettings
from settings.settings import Settings
from tests.contract.adapter_asks import LONG_S, MODELS
from tests.harness.forked import forked_simulator

DAY_MS = 24 * 3_600_000


class Tomorrow:
    """A clock a day ahead of the simulator's: everything is old enough."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + DAY_MS

    def running_s(self) -> float:
        return time.monotonic()


async def test_orphans_are_deleted_and_the_files_of_batches_stay() -> None:
    with forked_simulator() as simulator:
        settings = Settings(
            anthropic=AnthropicSettings(api_key=SecretStr("key-a"), base_url=simulator.base_url),
            openai=OpenAISettings(api_key=SecretStr("key-o"), base_url=simulator.openai_url),
            google=GoogleSettings(api_key=SecretStr("key-g"), base_url=simulator.base_url),
        )
        accounts = open_accounts(settings)
        batches = {}
        for name in ("openai", "google"):
            provider = accounts[name].provider
            asks = [Ask("job-0", MODELS[name], "Judge.", (PromptBlock("Compare."),), 300)]
            batches[name] = await provider.create("used", asks, start=lambda: True, timeout_s=LONG_S)
            for job in ("lost-1", "lost-2"):
                with pytest.raises(StartRefused):
                    await provider.create(job, asks, start=lambda: False, timeout_s=LONG_S)

        tidying = OrphanFiles(settings, accounts, Tomorrow(), silent())
        assert await tidying.tidy() == 4
        assert await tidying.tidy() == 0

        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{simulator.openai_url}/files", headers={"authorization": "Bearer key-o"})
            names = [file["filename"] for file in answer.json()["data"] if file["purpose"] == "batch"]
            answer = await client.get(f"{simulator.base_url}/v1beta/files", headers={"x-goog-api-key": "key-g"})
            names += [file["name"] for file in answer.json()["files"] if file["source"] == "UPLOADED"]
        assert names == ["roundbatch-used.jsonl", "files/roundbatch-used"]
        for name, batch in batches.items():
            assert [reply.custom_id async for reply in accounts[name].provider.replies(batch)] == ["job-0"]
        for account in accounts.values():
            await account.provider.close()
