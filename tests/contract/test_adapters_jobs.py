"""Cancelling a job, and telling an account's batches apart, at all providers: candidates, owners, files without a batch."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from domain.reply import ReplyKind
from providers.anthropic.adapter import AnthropicProvider
from providers.protocol import (
    Ask,
    JobNotVisible,
    JobPhase,
    OutcomeUnknown,
    PromptBlock,
    Provider,
    ProviderDown,
    ProviderError,
)
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import ADAPTERS, LONG_S, MODELS, AnyAdapter, Open, look_for, now_ms, submit_as, upload_alone
from tests.harness.forked import forked_simulator
from tests.waiting import NO_ANSWER_S


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    with forked_simulator() as control:
        yield control


def soon_ms() -> int:
    """Later than what was just made, by the simulator's clock too, which a test here moves forward."""
    return now_ms() + 600_000


async def kinds(provider: Provider, batch: str) -> list[str]:
    return sorted([reply.kind.value async for reply in provider.replies(batch)])


class TestCancel:
    @pytest.fixture(autouse=True)
    def _long_ago(self, kind: str, simulator: SimulatorControl) -> None:
        """Gemini's cancelled batches are looked at for another minute: here they were cancelled before that."""
        if kind == "google":
            simulator.skew(-600)

    async def test_what_was_answered_by_then_is_kept(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl
    ) -> None:
        simulator.hold()
        batch = await submit_as(provider, "job-1", 6)
        simulator.work(batch, 4)
        await provider.cancel(batch)
        assert (await provider.look(batch)).phase is JobPhase.ENDED
        rest = [ReplyKind.CANCELED.value] * 2 if kind == "anthropic" else []  # OpenAI leaves cancelled rows out
        kept = 0 if kind == "google" else 4  # Gemini gives no row of a cancelled batch
        assert await kinds(provider, batch) == [*rest, *[ReplyKind.SUCCEEDED.value] * kept]
        assert simulator.ledger()["batch_items_paid"] == kept

    async def test_nothing_answered(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        simulator.hold()
        batch = await submit_as(provider, "job-1", 4)
        for _ in range(2):  # again while it is being cancelled, or when it is
            await provider.cancel(batch)
        assert (await provider.look(batch)).phase is JobPhase.ENDED
        assert ReplyKind.SUCCEEDED.value not in await kinds(provider, batch)
        assert simulator.ledger()["batch_items_paid"] == 0

    async def test_a_batch_that_has_ended_is_fine(self, provider: AnyAdapter) -> None:
        batch = await submit_as(provider, "job-1", 4)
        await provider.cancel(batch)
        assert await kinds(provider, batch) == [ReplyKind.SUCCEEDED.value] * 4

    async def test_a_failed_validation_is_fine(self, provider: AnyAdapter, kind: str, simulator: SimulatorControl) -> None:
        simulator.faults(fault="failed_validation", next=1)
        await provider.cancel(await submit_as(provider, "job-1", 4))
        # Anthropic validates at once: there the fault finds nothing to fail, and the four rows are done.
        assert simulator.ledger()["batch_items_paid"] == (4 if kind == "anthropic" else 0)

    async def test_a_batch_that_is_not_there(self, provider: AnyAdapter, open_with: Open, simulator: SimulatorControl) -> None:
        with pytest.raises(JobNotVisible):
            await provider.cancel("batch-unknown")
        batch = await submit_as(provider, "job-1", 4)
        simulator.faults(fault="sees_nothing", rate=1.0, api_key="blind-key")
        with pytest.raises(JobNotVisible):
            await open_with("blind-key").cancel(batch)

    @pytest.mark.parametrize("status", [400, 409])
    async def test_a_refusal_of_a_running_batch_is_no_success(
        self, provider: AnyAdapter, simulator: SimulatorControl, status: int
    ) -> None:
        simulator.hold()
        batch = await submit_as(provider, "job-1", 4)
        simulator.faults(fault="status", status=status, next=1, endpoint="batches.cancel")
        with pytest.raises(ProviderError):
            await provider.cancel(batch)
        assert (await provider.look(batch)).phase is JobPhase.RUNNING

    async def test_a_failed_request_can_be_repeated(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        simulator.hold()
        batch = await submit_as(provider, "job-1", 4)
        simulator.faults(fault="status", status=500, next=1, endpoint="batches.cancel")
        with pytest.raises(ProviderDown):
            await provider.cancel(batch)
        await provider.cancel(batch)
        assert (await provider.look(batch)).phase is JobPhase.ENDED


class TestCandidates:
    async def test_time_count_and_whether_it_has_ended(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl
    ) -> None:
        simulator.hold()
        before_ms = now_ms()
        batches = [await submit_as(provider, f"job-{count}", count) for count in (3, 5)]
        simulator.finish(batch_id=batches[0])
        newest, oldest = await provider.candidates(now_ms())
        assert (newest.provider_job_id, newest.total, newest.ended) == (batches[1], 5, False)
        assert (oldest.provider_job_id, oldest.total, oldest.ended) == (batches[0], 3, True)
        assert before_ms - 1_000 <= oldest.created_ms <= newest.created_ms <= now_ms()
        assert [newest.job_id, oldest.job_id] == ([None, None] if kind == "anthropic" else ["job-5", "job-3"])

    async def test_two_of_equal_size_and_time_are_told_apart(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl
    ) -> None:
        simulator.hold()
        batches = {job: await submit_as(provider, job, 4) for job in ("job-1", "job-2", "rb-0-17-abc-0")}
        owners = [await provider.owner(batch) for batch in batches.values()]
        assert owners == ([None] * 3 if kind == "anthropic" else list(batches))
        simulator.finish()
        assert [await provider.owner(batch) for batch in batches.values()] == list(batches)
        assert {one.provider_job_id: one.job_id for one in await provider.candidates(now_ms())} == {
            batch: job for job, batch in batches.items()
        }

    async def test_an_owner_is_asked_for_once(self, provider: AnyAdapter, kind: str, simulator: SimulatorControl) -> None:
        batch = await submit_as(provider, "job-1", 4)
        assert await provider.owner(batch) == "job-1"
        before = simulator.ledger()["http_operations"]
        assert await provider.owner(batch) == "job-1"
        assert simulator.ledger()["http_operations"] - before == (0 if kind == "anthropic" else 1)

    async def test_the_scan_goes_back_ten_minutes_before_the_claim(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl
    ) -> None:
        await submit_as(provider, "job-1", 4)
        assert len(await provider.candidates(now_ms() + 590_000)) == 1
        # Gemini's shows the next older one too: a list that shows none at all may be wrong.
        assert len(await provider.candidates(now_ms() + 611_000)) == (1 if kind == "google" else 0)

    @pytest.mark.parametrize("skew_s", [-300, 300])
    async def test_a_clock_that_is_five_minutes_off(
        self, provider: AnyAdapter, simulator: SimulatorControl, skew_s: int
    ) -> None:
        simulator.skew(skew_s)
        claimed_ms = now_ms()
        batch = await submit_as(provider, "job-1", 4)
        (candidate,) = await provider.candidates(claimed_ms)
        assert candidate.created_ms == pytest.approx(claimed_ms + skew_s * 1000, abs=20_000)
        assert (await look_for(provider, "job-1", claimed_ms))[0] == batch

    async def test_a_list_that_lags(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        simulator.faults(fault="list_lag", next=1, stall_s=60)
        batch = await submit_as(provider, "job-1", 4)
        assert await provider.candidates(now_ms()) == ()
        assert (await provider.look(batch)).phase is JobPhase.ENDED
        assert await look_for(provider, "job-1", now_ms()) == (None, 0)
        simulator.advance(61)
        assert (await look_for(provider, "job-1", now_ms()))[0] == batch

    async def test_a_key_that_sees_nothing(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        batch = await submit_as(provider, "job-1", 4)
        simulator.faults(fault="sees_nothing", rate=1.0)
        assert await provider.candidates(now_ms()) == ()
        for attempt in (provider.look(batch), provider.owner(batch)):
            with pytest.raises(JobNotVisible):
                await attempt
        simulator.clear_faults()
        assert (await provider.look(batch)).phase is JobPhase.ENDED

    async def test_among_more_than_a_page_holds(self, provider: AnyAdapter, kind: str, monkeypatch: Any) -> None:
        monkeypatch.setattr(f"providers.{kind}.adapter.PAGE_ROWS", 2)
        batches = [await submit_as(provider, f"job-{number}", 1) for number in range(5)]
        assert [one.provider_job_id for one in await provider.candidates(now_ms())] == batches[::-1]
        assert (await look_for(provider, "job-0", now_ms()))[0] == batches[0]

    async def test_a_scan_that_breaks_off_is_no_scan(self, kind: str) -> None:
        def answer(request: httpx2.Request) -> httpx2.Response:
            if b"after" in request.url.query or b"pageToken" in request.url.query:
                return httpx2.Response(500, json={})
            if kind == "google":
                operation = {"name": "batches/1", "metadata": {"createTime": "2027-01-15T08:00:00Z", "displayName": "x"}}
                return httpx2.Response(200, json={"operations": [operation], "nextPageToken": "t"})
            batch = {"id": "batch-1", "created_at": 1_800_000_000, "metadata": None}
            return httpx2.Response(200, json={"data": [batch], "has_more": True})

        provider = ADAPTERS[kind]("k", base_url="http://provider/v1", transport=httpx2.MockTransport(answer))
        with pytest.raises(ProviderDown):
            await provider.candidates(1_800_000_000_000)


class TestFindAtAnthropic:
    @pytest.fixture
    def kind(self) -> str:
        return "anthropic"

    async def test_a_batch_whose_create_had_no_answer(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        claimed_ms = now_ms()
        await submit_as(provider, "job-before", 4)
        simulator.faults(fault="hang", next=1, endpoint="batches.create")
        with pytest.raises(OutcomeUnknown):
            await submit_as(provider, "job-lost", 4, timeout_s=NO_ANSWER_S)
        found, _ = await look_for(provider, "job-lost", claimed_ms)
        assert found == simulator.batches()[1]["id"]
        assert await look_for(provider, "job-never", claimed_ms) == (None, 0)

    async def test_while_one_of_its_time_runs_nothing_is_certain(
        self, provider: AnyAdapter, simulator: SimulatorControl
    ) -> None:
        simulator.hold()
        batch = await submit_as(provider, "job-other", 4)
        assert await look_for(provider, "job-lost", now_ms()) == (None, 1)
        simulator.finish()
        assert await look_for(provider, "job-lost", now_ms()) == (None, 0)
        assert (await look_for(provider, "job-other", now_ms()))[0] == batch

    @pytest.mark.parametrize("endpoint", ["batches.list", "batches.retrieve", "batches.results"])
    async def test_what_could_not_be_read_is_not_absent(
        self, provider: AnyAdapter, simulator: SimulatorControl, endpoint: str
    ) -> None:
        await submit_as(provider, "job-other", 4)
        simulator.faults(fault="status", status=500, next=1, endpoint=endpoint)
        with pytest.raises(ProviderDown):
            await look_for(provider, "job-lost", now_ms())

    async def test_an_ended_batch_without_a_row_does_not_tell(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        simulator.faults(fault="missing", rate=1.0)
        await submit_as(provider, "job-other", 4)
        assert await look_for(provider, "job-lost", now_ms()) == (None, 1)

    async def test_batches_of_others_are_not_ours(self, provider: AnyAdapter) -> None:
        ask = Ask("nightly", MODELS["anthropic"], "Judge.", (PromptBlock("Compare."),), 300)
        batch = await provider.create("job-1", [ask], start=lambda: True, timeout_s=LONG_S)
        assert await provider.owner(batch) == ""
        assert await look_for(provider, "job-lost", now_ms()) == (None, 0)

    async def test_it_has_no_files(self, provider: AnyAdapter) -> None:
        assert await provider.orphan_files(now_ms() + 10_000) == ()
        await provider.delete_file("file-1")


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"id": "msgbatch_1", "created_at": "yesterday"}], "has_more": False},
        {"data": [{"id": "msgbatch_1"}], "has_more": False},
        {"data": [{"created_at": "2030-01-01T00:00:00Z"}], "has_more": False},
        {"data": [], "has_more": True},
        {"data": []},
        {"has_more": False},
        "<html>",
    ],
)
async def test_a_page_that_cannot_be_understood_is_not_absence(answer: Any) -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=answer))
    provider = AnthropicProvider("k", base_url="http://provider", transport=transport)
    with pytest.raises(ProviderDown):
        await provider.candidates(1_800_000_000_000)


class TestOrphanFilesAtOpenAI:
    @pytest.fixture
    def kind(self) -> str:
        return "openai"

    async def test_files_without_a_batch_are_found_and_deleted(self, provider: AnyAdapter, monkeypatch: Any) -> None:
        monkeypatch.setattr("providers.openai.adapter.FILE_PAGE_ROWS", 2)
        for number in range(3):
            await submit_as(provider, f"job-{number}", 1)
            await upload_alone(provider, f"lost-{number}")
        later_ms = soon_ms()
        orphans = await provider.orphan_files(later_ms)
        assert len(orphans) == 3
        for file_id in orphans:
            await provider.delete_file(file_id)
        await provider.delete_file(orphans[0])  # gone already
        assert await provider.orphan_files(later_ms) == ()

    async def test_a_file_whose_batch_may_be_being_created_is_left_alone(self, provider: AnyAdapter) -> None:
        await upload_alone(provider, "job-1")
        assert await provider.orphan_files(now_ms() - 60_000) == ()

    async def test_the_file_of_a_batch_in_any_state_is_no_orphan(
        self, provider: AnyAdapter, simulator: SimulatorControl
    ) -> None:
        simulator.faults(fault="failed_validation", next=1)
        await submit_as(provider, "failed", 4)
        simulator.hold()
        await submit_as(provider, "running", 4)
        await provider.cancel(await submit_as(provider, "cancelled", 4))
        assert await provider.orphan_files(soon_ms()) == ()

    async def test_other_programs_files_are_not_ours(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                f"{simulator.openai_url}/files",
                headers={"authorization": "Bearer good-key"},
                data={"purpose": "batch"},
                files={"file": ("nightly.jsonl", b"{}")},
            )
        assert answer.status_code == 200
        assert await provider.orphan_files(soon_ms()) == ()

    @pytest.mark.parametrize("endpoint", ["files.list", "batches.list"])
    async def test_lists_that_cannot_be_read_show_no_orphan(
        self, provider: AnyAdapter, simulator: SimulatorControl, endpoint: str
    ) -> None:
        await upload_alone(provider, "job-1")
        simulator.faults(fault="status", status=503, next=1, endpoint=endpoint)
        with pytest.raises(ProviderDown):
            await provider.orphan_files(soon_ms())

    async def test_a_file_that_cannot_be_deleted(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        await upload_alone(provider, "job-1")
        (orphan,) = await provider.orphan_files(soon_ms())
        simulator.faults(fault="status", status=403, next=1, endpoint="files.delete")
        with pytest.raises(JobNotVisible):
            await provider.delete_file(orphan)
        assert await provider.orphan_files(soon_ms()) == (orphan,)
