"""What differs in Gemini's batches: rows in any order and under any key, none after a cancel or expiry."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from domain.reply import ReplyKind
from providers.google.adapter import GoogleProvider
from providers.protocol import (
    AccountRefused,
    Ask,
    FailedBy,
    JobPhase,
    ProviderDown,
    Throttled,
)
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import LONG_S, asks_of, now_ms, replies_of, run, submit, submit_as, upload_alone
from tests.harness.forked import forked_simulator


@pytest.fixture
def process() -> Iterator[SimulatorControl]:
    """One for each test: some move its clock, and no reset takes that back."""
    with forked_simulator(judge_error_rate=0.0) as control:
        yield control


@pytest.fixture
def kind() -> str:
    return "google"


class TestRows:
    async def test_rows_are_joined_by_their_keys_whatever_their_order(self, provider: GoogleProvider) -> None:
        asks = asks_of("google", 12)
        assert list(await run(provider, asks)) == [ask.custom_id for ask in asks]

    async def test_doubled_and_strange_keys_are_passed_on(self, provider: GoogleProvider, process: SimulatorControl) -> None:
        """Which of them count is the worker's decision (test_results_not_whole.py)."""
        process.faults({"fault": "doubled", "next": 1}, {"fault": "unknown_key", "next": 1})
        job = await submit(provider, asks_of("google", 4))
        rows = [reply.custom_id async for reply in provider.replies(job)]
        assert (len(rows), len(set(rows))) == (5, 4)

    @pytest.mark.parametrize("variant", ["", "status", "http_code"])
    @pytest.mark.parametrize("code", ["8", "13", "14"])
    async def test_failed_rows_in_either_form(
        self, provider: GoogleProvider, process: SimulatorControl, variant: str, code: str
    ) -> None:
        process.faults(fault="errored", next=1, variant=variant, code=code)
        kinds = sorted(reply.kind for reply in (await run(provider, asks_of("google", 3))).values())
        assert kinds == [ReplyKind.ERRORED, ReplyKind.SUCCEEDED, ReplyKind.SUCCEEDED]

    @pytest.mark.parametrize("variant", ["job_state", "response_only"])
    async def test_odd_operations(self, provider: GoogleProvider, process: SimulatorControl, variant: str) -> None:
        process.faults(fault="odd_operation", variant=variant, rate=1.0)
        assert len(await run(provider, asks_of("google", 3))) == 3

    async def test_a_state_that_nobody_knows_is_a_batch_that_runs(
        self, provider: GoogleProvider, process: SimulatorControl
    ) -> None:
        job = await submit(provider, asks_of("google", 1))
        process.faults(fault="odd_operation", variant="unknown_state", reason="BATCH_STATE_RESTING", next=1)
        assert (await provider.look(job)).phase is JobPhase.RUNNING
        assert (await provider.look(job)).phase is JobPhase.ENDED


class TestWithoutRows:
    async def test_a_cancelled_batch(self, provider: GoogleProvider, process: SimulatorControl) -> None:
        process.hold()
        job = await submit(provider, asks_of("google", 3))
        process.work(job, 2)
        await provider.cancel(job)
        assert (await provider.look(job)).phase is JobPhase.RUNNING  # it may yet go on
        process.skew(-600)
        await provider.cancel(second := await submit(provider, asks_of("google", 2)))
        status = await provider.look(second)
        assert (status.phase, status.cost_known) == (JobPhase.ENDED, False)
        assert await replies_of(provider, second) == {}

    async def test_a_cancelled_batch_that_goes_on_is_read(self, provider: GoogleProvider, process: SimulatorControl) -> None:
        process.hold()
        job = await submit(provider, asks_of("google", 3))
        process.faults(fault="cancelled_runs_on", next=1)
        await provider.cancel(job)
        assert (await provider.look(job)).phase is JobPhase.RUNNING
        process.finish()
        assert (await provider.look(job)).phase is JobPhase.ENDED
        assert len(await replies_of(provider, job)) == 3

    async def test_an_expired_batch(self, provider: GoogleProvider, process: SimulatorControl) -> None:
        process.hold()
        job = await submit(provider, asks_of("google", 3))
        process.work(job, 2)
        process.advance(49 * 3600)
        status = await provider.look(job)
        assert (status.phase, status.detail, status.cost_known) == (JobPhase.ENDED, "expired", False)
        assert await replies_of(provider, job) == {}

    @pytest.mark.parametrize(("code", "failed_by"), [("8", FailedBy.ACCOUNT), ("13", FailedBy.PROVIDER)])
    async def test_a_failed_batch(
        self, provider: GoogleProvider, process: SimulatorControl, code: str, failed_by: FailedBy
    ) -> None:
        process.faults(fault="failed_validation", next=1, code=code)
        status = await provider.look(await submit(provider, asks_of("google", 2)))
        assert (status.phase, status.failed_by, status.cost_known) == (JobPhase.FAILED, failed_by, False)


class TestCreate:
    async def test_lines_of_two_sizes_are_one_batch_with_one_schema(self, provider: GoogleProvider) -> None:
        """No plan makes such a batch; the simulator refuses one with two schemas."""
        asks = asks_of("google", 2)
        mixed = [asks[0], Ask("job-1-1", asks[1].model, asks[1].system, asks[1].blocks, 300, answers=2)]
        job = await provider.create("job-1", mixed, start=lambda: True, timeout_s=LONG_S)
        assert len(await replies_of(provider, job)) == 2

    async def test_the_file_goes_to_the_base_url_whatever_address_the_upload_names(
        self, provider: GoogleProvider, process: SimulatorControl
    ) -> None:
        process.faults(fault="elsewhere", next=1)
        assert len(await run(provider, asks_of("google", 2))) == 2

    async def test_a_full_queue_and_a_days_quota_are_the_accounts(
        self, provider: GoogleProvider, process: SimulatorControl
    ) -> None:
        for variant, expected in (("help", AccountRefused), ("per_day", AccountRefused), ("per_minute", Throttled)):
            process.faults(fault="status", status=429, variant=variant, next=1, endpoint="batches.create")
            with pytest.raises(expected):
                await submit(provider, asks_of("google", 1))

    async def test_a_file_that_is_not_known_is_nobodys_fault(self, provider: GoogleProvider, process: SimulatorControl) -> None:
        process.faults(fault="unknown_file", next=1)
        with pytest.raises(ProviderDown):
            await submit(provider, asks_of("google", 1))
        assert process.ledger()["batches"] == 0

    @pytest.mark.parametrize("endpoint", ["files.start", "files.create"])
    async def test_a_failed_upload_created_nothing(
        self, provider: GoogleProvider, process: SimulatorControl, endpoint: str
    ) -> None:
        process.faults(fault="status", status=500, next=1, endpoint=endpoint)
        with pytest.raises(ProviderDown):
            await submit(provider, asks_of("google", 1))
        assert process.ledger()["batches"] == 0

    async def test_an_invalid_key_is_the_accounts_though_it_is_a_400(self) -> None:
        with forked_simulator(bad_keys=["bad-key"]) as simulator:
            provider = GoogleProvider("bad-key", base_url=simulator.base_url)
            with pytest.raises(AccountRefused):
                await submit(provider, asks_of("google", 1))
            with pytest.raises(AccountRefused):
                await provider.call(asks_of("google", 1)[0], timeout_s=LONG_S)
            await provider.close()


class TestOrphanFiles:
    async def test_files_without_a_batch_are_found_and_deleted(self, provider: GoogleProvider, monkeypatch: Any) -> None:
        monkeypatch.setattr("providers.google.adapter.PAGE_ROWS", 2)
        for number in range(3):
            await submit_as(provider, f"rb-{number}", 2)
            await upload_alone(provider, f"rb-lost-{number}")
        await upload_alone(provider, "rb-lost-0")  # its name is taken: it has one of the API's choice
        orphans = await provider.orphan_files(now_ms() + 60_000)
        assert len(orphans) == 4
        for name in orphans:
            await provider.delete_file(name)
        await provider.delete_file(orphans[0])  # gone already
        assert await provider.orphan_files(now_ms() + 60_000) == ()
        assert await provider.orphan_files(now_ms() - 60_000) == ()

    async def test_where_no_batch_is_shown_no_file_is_an_orphan(self, provider: GoogleProvider) -> None:
        await upload_alone(provider, "rb-lost")
        assert await provider.orphan_files(now_ms() + 60_000) == ()

    @pytest.mark.parametrize("endpoint", ["files.list", "batches.list"])
    async def test_lists_that_cannot_be_read_show_no_orphan(
        self, provider: GoogleProvider, process: SimulatorControl, endpoint: str
    ) -> None:
        await upload_alone(provider, "rb-lost")
        process.faults(fault="status", status=503, next=1, endpoint=endpoint)
        with pytest.raises(ProviderDown):
            await provider.orphan_files(now_ms() + 60_000)


@pytest.mark.parametrize("redirected", [False, True])
async def test_the_key_goes_to_no_other_host(redirected: bool) -> None:
    asked: list[tuple[str, str, bool]] = []
    row = b'{"key": "job-1-0", "error": {"code": 13, "message": "x"}}'

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append((request.url.host, request.url.path, "secret-key" in request.headers.values()))
        if request.url.host == "storage.example" or (request.url.path.startswith("/g/download") and not redirected):
            return httpx2.Response(200, content=row)
        if request.url.path.startswith("/g/download"):
            return httpx2.Response(302, headers={"location": "https://storage.example/file"})
        stats = {"requestCount": "1", "failedRequestCount": "1"}
        metadata = {"state": "BATCH_STATE_SUCCEEDED", "output": {"responsesFile": "files/out"}, "batchStats": stats}
        return httpx2.Response(200, json={"name": "batches/b1", "metadata": metadata})

    provider = GoogleProvider("secret-key", base_url="http://gateway.example/g/", transport=httpx2.MockTransport(answer))
    assert list(await replies_of(provider, "batches/b1")) == ["job-1-0"]
    assert asked[:2] == [
        ("gateway.example", "/g/v1beta/batches/b1", True),
        ("gateway.example", "/g/download/v1beta/files/out:download", True),
    ]
    assert asked[2:] == ([("storage.example", "/file", False)] if redirected else [])


async def test_a_create_is_not_redirected() -> None:
    posts: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        posts.append(request.url.path)
        if request.url.path.endswith(":batchGenerateContent"):
            return httpx2.Response(307, headers={"location": "http://provider/again"})
        url = "http://provider/upload/v1beta/files?upload_id=1"
        return httpx2.Response(200, json={"file": {"name": "files/in"}}, headers={"x-goog-upload-url": url})

    provider = GoogleProvider("k", base_url="http://provider", transport=httpx2.MockTransport(answer))
    with pytest.raises(AccountRefused):  # a wrong base URL, or a proxy's page
        await submit(provider, asks_of("google", 1))
    assert posts[-1] == "/v1beta/models/gemini-3.8-flash:batchGenerateContent"
