"""A job of unknown fate: found again at OpenAI by its metadata, never called absent after an incomplete scan."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from domain.reply import ReplyKind
from providers.openai.adapter import OpenAIProvider
from providers.protocol import (
    AccountRefused,
    Ask,
    ContentRefused,
    FailedBy,
    JobPhase,
    OutcomeUnknown,
    PromptBlock,
    ProviderDown,
    ProviderError,
    Throttled,
)
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import look_for
from tests.harness.forked import forked_simulator
from tests.waiting import NO_ANSWER_S


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    with forked_simulator(call_max_bytes=100_000) as control:
        yield control


@pytest.fixture
async def provider(process: SimulatorControl) -> AsyncIterator[OpenAIProvider]:
    process.reset()
    opened = OpenAIProvider("good-key", base_url=process.openai_url)
    yield opened
    await opened.close()


def asks(job: str, count: int = 1, text: str = "") -> list[Ask]:
    return [
        Ask(f"{job}-{number}", "gpt-6-luna", "Judge.", (PromptBlock(f"Compare {number}. {text}"),), 300)
        for number in range(count)
    ]


async def submit(provider: OpenAIProvider, job: str, timeout_s: float = 20.0) -> str:
    return await provider.create(job, asks(job), start=lambda: True, timeout_s=timeout_s)


def now_ms() -> int:
    return int(time.time() * 1000)


class TestOnTheSimulator:
    async def test_a_batch_whose_create_had_no_answer_is_found(
        self, provider: OpenAIProvider, process: SimulatorControl
    ) -> None:
        claimed_ms = now_ms()
        process.faults(fault="hang", next=1, endpoint="batches.create")
        with pytest.raises(OutcomeUnknown):
            await submit(provider, "job-lost", timeout_s=NO_ANSWER_S)
        found, _ = await look_for(provider, "job-lost", claimed_ms)
        assert found == process.batches()[0]["id"]
        assert (await provider.look(str(found))).phase is JobPhase.ENDED

    async def test_among_more_batches_than_a_page_holds(self, provider: OpenAIProvider, monkeypatch: Any) -> None:
        monkeypatch.setattr("providers.openai.adapter.PAGE_ROWS", 2)
        jobs = {f"job-{number}": await submit(provider, f"job-{number}") for number in range(5)}
        for job, batch in jobs.items():
            assert (await look_for(provider, job, now_ms()))[0] == batch
        assert await look_for(provider, "job-5", now_ms()) == (None, 0)

    async def test_the_scan_ends_ten_minutes_before_the_claim(
        self, provider: OpenAIProvider, process: SimulatorControl
    ) -> None:
        batch = await submit(provider, "job-0")
        assert (await look_for(provider, "job-0", now_ms() + 590_000))[0] == batch
        process.advance(3600)
        await submit(provider, "job-1")
        assert await look_for(provider, "job-nobody", now_ms() + 3600_000) == (None, 0)

    @pytest.mark.parametrize(
        ("status", "expected"), [(500, ProviderDown), (404, AccountRefused), (401, AccountRefused), (429, Throttled)]
    )
    async def test_a_list_that_cannot_be_read_is_not_absence(
        self, provider: OpenAIProvider, process: SimulatorControl, status: int, expected: type[ProviderError]
    ) -> None:
        process.faults(fault="status", status=status, next=1, endpoint="batches.list")
        with pytest.raises(expected):
            await look_for(provider, "job-0", now_ms())

    async def test_a_failed_validation(self, provider: OpenAIProvider, process: SimulatorControl) -> None:
        process.faults(fault="failed_validation", next=1, code="token_limit_exceeded")
        status = await provider.look(await submit(provider, "job-0"))
        assert (status.phase, status.failure, status.failed_by) == (JobPhase.FAILED, "token_limit_exceeded", FailedBy.ACCOUNT)
        process.faults(fault="failed_validation", next=1, code="invalid_json_line", line=1)
        status = await provider.look(await submit(provider, "job-1"))
        assert (status.phase, status.failure, status.failed_by) == (JobPhase.FAILED, "invalid_json_line", FailedBy.CONTENT)
        process.faults(fault="failed_validation", next=1, code="server_error")
        status = await provider.look(await submit(provider, "job-2"))
        assert (status.phase, status.failure, status.failed_by) == (JobPhase.FAILED, "server_error", FailedBy.PROVIDER)

    async def test_two_models_in_one_job_fail_as_content(self, provider: OpenAIProvider) -> None:
        mixed = [*asks("job", 1), Ask("job-9", "gpt-6.1-terra", "Judge.", (PromptBlock("p"),), 300)]
        status = await provider.look(await provider.create("job", mixed, start=lambda: True, timeout_s=20.0))
        assert (status.phase, status.failed_by) == (JobPhase.FAILED, FailedBy.CONTENT)

    async def test_both_files_are_read(self, provider: OpenAIProvider, process: SimulatorControl) -> None:
        process.faults(fault="status_zero", next=1)
        process.faults(fault="expired", next=1)
        process.faults(fault="errored", status=500, next=1)
        batch = await provider.create("job", asks("job", 5), start=lambda: True, timeout_s=20.0)
        assert (await provider.look(batch)).phase is JobPhase.ENDED
        kinds = {reply.custom_id: reply.kind async for reply in provider.replies(batch)}
        assert sorted(kinds.values()) == ["errored", "errored", "expired", "succeeded", "succeeded"]
        assert kinds["job-1"] is ReplyKind.EXPIRED

    @pytest.mark.parametrize("status", [500, 529, 400, 413])
    async def test_a_failed_upload_created_nothing(
        self, provider: OpenAIProvider, process: SimulatorControl, status: int
    ) -> None:
        process.faults(fault="status", status=status, next=1, endpoint="files.create")
        expected = {500: ProviderDown, 529: Throttled, 400: ProviderDown, 413: ContentRefused}[status]
        with pytest.raises(expected):
            await submit(provider, "job-0")
        assert process.ledger()["batches"] == 0

    async def test_an_upload_without_an_answer_created_nothing(
        self, provider: OpenAIProvider, process: SimulatorControl
    ) -> None:
        process.faults(fault="hang", next=1, endpoint="files.create")

        def start() -> bool:
            raise AssertionError("asked although the upload is not done")

        with pytest.raises(ProviderDown):
            await provider.create("job-0", asks("job-0"), start=start, timeout_s=NO_ANSWER_S)
        assert process.ledger()["batches"] == 0


def listed(job: str, created_at: Any = 1_800_000_000) -> dict[str, Any]:
    return {"id": f"batch_{job}", "metadata": {"roundbatch_job": job}, "created_at": created_at}


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [listed("a")]},  # is this all?
        {"data": [], "has_more": True},
        {"data": None, "has_more": False},
        {"has_more": False},
        {"data": [listed("a", created_at=None)], "has_more": False},
        {"data": [{**listed("a"), "id": None}], "has_more": True},
        ["a list"],
        "<html>",
    ],
)
async def test_a_page_that_cannot_be_understood_is_not_absence(answer: Any) -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=answer))
    provider = OpenAIProvider("k", base_url="http://provider/v1", transport=transport)
    with pytest.raises(ProviderDown):
        await look_for(provider, "job-lost", 1_800_000_000_000)
