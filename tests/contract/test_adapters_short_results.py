"""Results that do not come whole, are gone, or stand at another address; and input files that are not known yet."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from domain.back_off import BackOff
from domain.reply import ReplyKind
from providers.anthropic.adapter import AnthropicProvider
from providers.openai import adapter
from providers.openai.adapter import OpenAIProvider
from providers.protocol import (
    ContentRefused,
    JobNotVisible,
    JobPhase,
    OutcomeUnknown,
    Provider,
    ProviderDown,
    ProviderError,
    ResultsNotWhole,
    StartRefused,
)
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import ADAPTERS, DOWNLOAD, AnyAdapter, asks_of, replies_of, run, submit
from tests.waiting import LIMIT_S, NO_ANSWER_S

NO_ROWS = "a batch of Gemini's that was cancelled or has expired has no rows (test_google_batches.py)"
VARIANTS = ("half", "empty", "mid_line", "error_body")


@pytest.fixture
async def open_at(kind: str, simulator: SimulatorControl) -> AsyncIterator[Callable[[str], AnyAdapter]]:
    opened: list[AnyAdapter] = []

    def open_one(path: str) -> AnyAdapter:
        suffix = "/v1" if kind == "openai" else ""
        opened.append(ADAPTERS[kind]("good-key", base_url=f"{simulator.base_url}{path}{suffix}"))
        return opened[-1]

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
def provider(open_at: Callable[[str], AnyAdapter]) -> AnyAdapter:
    return open_at("")


async def read(provider: Provider, job: str) -> tuple[list[str], ProviderError | None]:
    """The custom ids of the rows that come, and what is said then."""
    came: list[str] = []
    try:
        async for reply in provider.replies(job):
            came.append(reply.custom_id)
    except ProviderError as error:
        return came, error
    return came, None


class TestShortDownloads:
    @pytest.mark.parametrize("variant", VARIANTS)
    async def test_what_is_counted_and_does_not_come_is_not_missing(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl, variant: str
    ) -> None:
        job = await submit(provider, asks_of(kind, 6))
        simulator.faults(fault="short_download", variant=variant, next=1, provider=kind)
        came, failed = await read(provider, job)
        assert len(came) == {"half": 3, "empty": 0, "mid_line": 5, "error_body": 0}[variant]
        assert isinstance(failed, ResultsNotWhole)
        assert (failed.paid, failed.gone) == (6 - len(came), False)
        assert len(await replies_of(provider, job)) == 6

    @pytest.mark.parametrize("variant", VARIANTS)
    @pytest.mark.not_of("google", NO_ROWS)
    async def test_of_a_batch_that_was_cancelled(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl, variant: str
    ) -> None:
        simulator.hold()
        job = await submit(provider, asks_of(kind, 6))
        simulator.work(job, 4)
        await provider.cancel(job)
        assert (await provider.look(job)).phase is JobPhase.ENDED
        simulator.faults(fault="short_download", variant=variant, next=1, provider=kind)
        _, failed = await read(provider, job)
        assert isinstance(failed, ResultsNotWhole)
        kinds = [reply.kind for reply in (await replies_of(provider, job)).values()]
        assert kinds.count(ReplyKind.SUCCEEDED) == 4

    @pytest.mark.not_of("google", NO_ROWS)
    async def test_of_a_batch_that_has_expired(self, provider: AnyAdapter, kind: str, simulator: SimulatorControl) -> None:
        simulator.hold()
        job = await submit(provider, asks_of(kind, 6))
        simulator.work(job, 4)
        simulator.advance(25 * 3600)
        simulator.faults(fault="short_download", variant="half", next=1, provider=kind)
        _, failed = await read(provider, job)
        assert isinstance(failed, ResultsNotWhole)
        kinds = [reply.kind for reply in (await replies_of(provider, job)).values()]
        assert kinds.count(ReplyKind.SUCCEEDED) == 4
        assert kinds.count(ReplyKind.EXPIRED) == 2

    async def test_rows_of_the_error_file_do_not_stand_for_answers(self, simulator: SimulatorControl) -> None:
        provider = OpenAIProvider("good-key", base_url=simulator.openai_url)
        simulator.hold()
        job = await submit(provider, asks_of("openai", 6))
        simulator.work(job, 2)
        simulator.advance(25 * 3600)
        simulator.faults(fault="short_download", variant="empty", next=1)  # of the output file; four expired rows come
        came, failed = await read(provider, job)
        assert len(came) == 4
        assert isinstance(failed, ResultsNotWhole)
        assert failed.paid == 2
        await provider.close()

    async def test_a_row_that_is_not_counted_is_missing(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl
    ) -> None:
        simulator.faults(fault="missing", next=2, provider=kind)
        assert len(await run(provider, asks_of(kind, 6))) == 4

    @pytest.mark.parametrize(("variant", "paid"), [("high", 1), ("zero", None), ("absent", None), ("low", "believed")])
    async def test_counts_that_do_not_fit(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl, variant: str, paid: Any
    ) -> None:
        job = await submit(provider, asks_of(kind, 6))
        simulator.faults(fault="odd_counts", variant=variant, next=1, provider=kind)
        came, failed = await read(provider, job)
        assert len(came) == 6
        if paid == "believed":  # more rows than are counted: which ones there are is told by their ids
            assert failed is None
        else:
            assert isinstance(failed, ResultsNotWhole)
            assert failed.paid == paid


class TestGone:
    async def test_of_an_ended_batch_that_is_seen(self, provider: AnyAdapter, kind: str, simulator: SimulatorControl) -> None:
        job = await submit(provider, asks_of(kind, 3))
        simulator.faults(fault="not_found", endpoint=DOWNLOAD[kind], rate=1.0, provider=kind)
        came, failed = await read(provider, job)
        assert (came, type(failed)) == ([], ResultsNotWhole)
        assert isinstance(failed, ResultsNotWhole)
        assert (failed.gone, failed.paid) == (True, 3)

    async def test_a_batch_that_is_not_seen_may_be_there(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl
    ) -> None:
        job = await submit(provider, asks_of(kind, 3))
        simulator.faults(fault="not_found", endpoint="batches.retrieve", next=1, provider=kind)
        assert type((await read(provider, job))[1]) is JobNotVisible

    @pytest.mark.parametrize(("status", "expected"), [(403, JobNotVisible), (401, JobNotVisible), (500, ProviderDown)])
    async def test_what_another_key_or_a_later_read_may_have_is_not_gone(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl, status: int, expected: type[ProviderError]
    ) -> None:
        job = await submit(provider, asks_of(kind, 3))
        simulator.faults(fault="status", status=status, endpoint=DOWNLOAD[kind], next=1, provider=kind)
        assert type((await read(provider, job))[1]) is expected

    async def test_one_file_of_two(self, simulator: SimulatorControl) -> None:
        provider = OpenAIProvider("good-key", base_url=simulator.openai_url)
        simulator.faults(fault="errored", status=500, next=2)
        job = await submit(provider, asks_of("openai", 6))
        simulator.faults(fault="not_found", endpoint="files.content", next=1)  # the output file, which is read first
        came, failed = await read(provider, job)
        assert len(came) == 2
        assert isinstance(failed, ResultsNotWhole)
        assert (failed.gone, failed.paid) == (True, 4)
        await provider.close()

    async def test_an_ended_batch_that_never_shows_its_results(
        self, provider: AnyAdapter, kind: str, simulator: SimulatorControl
    ) -> None:
        """Waited for ten minutes of the batch's own clock, then read: none of its answers came."""
        simulator.skew(-30 * 24 * 3600)  # behind a clock that other tests have moved ahead
        job = await submit(provider, asks_of(kind, 3))
        simulator.faults(fault="file_late", rate=1.0, provider=kind)
        assert (await provider.look(job)).phase is JobPhase.ENDED
        came, failed = await read(provider, job)
        assert came == []
        assert isinstance(failed, ResultsNotWhole)
        assert failed.paid == 3


class TestAtTheBaseUrl:
    async def test_behind_a_path_of_its_own(self, kind: str, open_at: Callable[[str], AnyAdapter]) -> None:
        assert len(await run(open_at("/gateway"), asks_of(kind, 3))) == 3

    @pytest.mark.parametrize("path", ["", "/gateway"])
    async def test_when_the_batch_names_another_host(self, simulator: SimulatorControl, path: str) -> None:
        provider = AnthropicProvider("good-key", base_url=f"{simulator.base_url}{path}")
        simulator.faults(fault="elsewhere", rate=1.0)
        job = await submit(provider, asks_of("anthropic", 3))
        assert len(await replies_of(provider, job)) == 3
        assert await provider.owner(job) == "job-1"
        await provider.close()

    @pytest.mark.parametrize("redirected", [False, True])
    async def test_the_key_goes_to_no_other_host(self, redirected: bool) -> None:
        asked: list[tuple[str, str, bool]] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            with_key = any("secret-key" in value for value in request.headers.values())
            asked.append((request.url.host, request.url.raw_path.decode(), with_key))
            if request.url.path.endswith("/results"):
                row = b'{"custom_id": "job-1-0", "result": {"type": "expired"}}'
                elsewhere = {"location": "https://storage.example/file"}
                return httpx2.Response(302, headers=elsewhere) if redirected else httpx2.Response(200, content=row)
            if request.url.host == "storage.example":
                return httpx2.Response(200, content=b'{"custom_id": "job-1-0", "result": {"type": "expired"}}')
            url = "https://api.anthropic.com/v1/messages/batches/b1/results?part=1"
            batch = {"id": "b1", "processing_status": "ended", "results_url": url, "request_counts": {"expired": 1}}
            return httpx2.Response(200, json=batch)

        transport = httpx2.MockTransport(answer)
        provider = AnthropicProvider("secret-key", base_url="http://gateway.example/anthropic", transport=transport)
        assert list(await replies_of(provider, "b1")) == ["job-1-0"]
        assert asked[:2] == [
            ("gateway.example", "/anthropic/v1/messages/batches/b1", True),
            ("gateway.example", "/anthropic/v1/messages/batches/b1/results?part=1", True),
        ]
        assert asked[2:] == ([("storage.example", "/file", False)] if redirected else [])


class TestInputFiles:
    """OpenAI: a file that has just been uploaded is not known everywhere."""

    @pytest.fixture
    def kind(self) -> str:
        return "openai"

    @pytest.fixture(autouse=True)
    def _short_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(adapter, "_FILE_WAITS", BackOff(0.01, 0.05))

    def asked(self, simulator: SimulatorControl) -> list[tuple[str, int]]:
        return [(call["endpoint"], call["status"]) for call in simulator.calls() if call["endpoint"] != "batches.retrieve"]

    async def test_one_that_is_not_known_yet_is_used_when_it_is(
        self, provider: AnyAdapter, simulator: SimulatorControl
    ) -> None:
        simulator.faults(fault="unknown_file", next=3)
        starts = 0

        def start() -> bool:
            nonlocal starts
            starts += 1
            return True

        job = await provider.create("job-1", asks_of("openai", 2), start=start, timeout_s=20.0)
        assert starts == 4  # the claim is looked at before each request
        creates = [("batches.create", 400), ("files.retrieve", 200)] * 3
        assert self.asked(simulator) == [("files.create", 200), *creates, ("batches.create", 200)]
        assert simulator.ledger()["batches"] == 1
        assert len(await replies_of(provider, job)) == 2

    async def test_one_that_nobody_knows_yet_is_not_taken_for_gone(
        self, provider: AnyAdapter, simulator: SimulatorControl
    ) -> None:
        """Uploaded anew at each try, no file would ever be old enough."""
        unseen = {"fault": "status", "status": 404, "endpoint": "files.retrieve", "next": 3}
        simulator.faults({"fault": "unknown_file", "next": 3}, unseen)
        job = await submit(provider, asks_of("openai", 2))
        creates = [("batches.create", 400), ("files.retrieve", 404)] * 3
        assert self.asked(simulator) == [("files.create", 200), *creates, ("batches.create", 200)]
        assert len(await replies_of(provider, job)) == 2

    async def test_one_that_is_gone_is_uploaded_again(
        self, provider: AnyAdapter, simulator: SimulatorControl, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapter, "_FILE_LAG_S", 0.0)
        simulator.faults(fault="file_gone", next=1)
        job = await submit(provider, asks_of("openai", 2))
        again = [("batches.create", 400), ("files.retrieve", 404), ("files.create", 200), ("batches.create", 200)]
        assert self.asked(simulator) == [("files.create", 200), *again]
        assert len(await replies_of(provider, job)) == 2

    async def test_a_large_one_is_uploaded_again_whole(
        self, provider: AnyAdapter, simulator: SimulatorControl, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapter, "_FILE_LAG_S", 0.0)
        asks = asks_of("openai", 2, "x" * 300_000)
        simulator.faults(fault="file_gone", next=1)
        assert len(await replies_of(provider, await submit(provider, asks))) == 2

    async def test_not_beyond_the_claim(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        simulator.faults(fault="unknown_file", rate=1.0)
        answers = iter([True, True, False])
        with pytest.raises(StartRefused, match=r"does not find its input file: .*Cannot find file"):
            await provider.create("job-1", asks_of("openai", 2), start=lambda: next(answers), timeout_s=20.0)
        assert simulator.ledger()["batches"] == 0

    async def test_nor_beyond_the_time_limit_and_then_it_is_known_that_there_is_none(
        self, provider: AnyAdapter, simulator: SimulatorControl, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(adapter, "_FILE_WAITS", BackOff(30.0, 30.0))
        simulator.faults(fault="unknown_file", rate=1.0)
        with pytest.raises(StartRefused, match="Cannot find file"):
            await submit(provider, asks_of("openai", 2), timeout_s=NO_ANSWER_S)

    async def test_a_later_create_without_an_answer_is_unknown(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        simulator.faults({"fault": "unknown_file", "next": 1}, {"fault": "hang", "next": 1, "endpoint": "batches.create"})
        with pytest.raises(OutcomeUnknown):
            await submit(provider, asks_of("openai", 2), timeout_s=NO_ANSWER_S)
        assert simulator.ledger()["batches"] == 1

    @pytest.mark.parametrize("body", [{"message": "Input file not found", "param": "id"}, {"message": "x", "param": "file_id"}])
    async def test_in_other_words(self, body: dict[str, Any]) -> None:
        posts: list[str] = []

        def answer(request: httpx2.Request) -> httpx2.Response:
            posts.append(f"{request.method} {request.url.path}")
            if posts.count("POST /v1/batches") == 1 and posts[-1] == "POST /v1/batches":
                return httpx2.Response(404 if body["param"] == "id" else 400, json={"error": body})
            return httpx2.Response(200, json={"id": "an-id"})

        provider = OpenAIProvider("k", base_url="http://provider/v1", transport=httpx2.MockTransport(answer))
        async with asyncio.timeout(LIMIT_S):
            assert await submit(provider, asks_of("openai", 1)) == "an-id"
        assert posts.count("POST /v1/files") == 1

    async def test_a_refusal_of_a_line_is_not_about_the_file(self, provider: AnyAdapter, simulator: SimulatorControl) -> None:
        simulator.faults(fault="status", status=400, message="Line 1: body is missing", endpoint="batches.create", next=1)
        with pytest.raises(ContentRefused):
            await submit(provider, asks_of("openai", 2))
