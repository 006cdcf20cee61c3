"""Answers that no provider should give: bodies that are not JSON, downloads that die midway, connections that are reset."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import structlog

from domain.answer import Answer
from domain.reply import ReplyKind, Retry, judge
from providers.protocol import AccountRefused, Ask, OutcomeUnknown, PromptBlock, ProviderDown, ProviderError, ResultsNotWhole
from tests.contract.adapter_asks import ADAPTERS, BATCHERS, AnyAdapter

ASK = Ask("job-0", "m", "Judge.", (PromptBlock("p"),), 100)


def unanswered(kind: str, custom_id: str) -> bytes:
    """A row that says why there is no answer."""
    if kind == "anthropic":
        return json.dumps({"custom_id": custom_id, "result": {"type": "expired"}}).encode()
    if kind == "google":
        return json.dumps({"key": custom_id, "error": {"code": 13, "message": "Internal"}}).encode()
    return json.dumps({"custom_id": custom_id, "response": None, "error": {"code": "batch_expired"}}).encode()


GOOGLE_STATES = {"completed": "SUCCEEDED", "expired": "EXPIRED"}


class Odd:
    """Serves one ended batch whose results are `chunks`, and `answer` to every POST but an upload."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.chunks: list[bytes | Exception] = []
        self.answer: httpx2.Response | Exception = httpx2.Response(200, json={"id": "batch_1", "name": "batches/batch_1"})
        self.posts = 0
        self.status = "completed"
        self.counts: Any = {"total": 2, "completed": 0, "failed": 2, "succeeded": 0, "expired": 2}

    def open(self) -> AnyAdapter:
        base_url = "http://provider/v1" if self.kind == "openai" else "http://provider"
        return ADAPTERS[self.kind]("k", base_url=base_url, transport=httpx2.MockTransport(self._serve))

    def _serve(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path == "/v1/files":
            return httpx2.Response(200, json={"id": "file-in"})
        if path == "/upload/v1beta/files":
            url = "https://elsewhere/upload/v1beta/files?upload_id=7"
            return httpx2.Response(200, json={"file": {"name": "files/in"}}, headers={"x-goog-upload-url": url})
        if request.method == "POST":
            self.posts += 1
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer
        if path.endswith(("/results", "/content", ":download")):
            return httpx2.Response(200, content=self._body())
        return httpx2.Response(
            200,
            json={
                "id": "batch_1",
                "processing_status": "ended",
                "results_url": "http://provider/v1/messages/batches/batch_1/results",
                "status": self.status,
                "error_file_id": "file-e",
                "request_counts": self.counts,
                "metadata": {
                    "state": f"BATCH_STATE_{GOOGLE_STATES[self.status]}",
                    "output": {"responsesFile": "files/out"},
                    "batchStats": self._stats(),
                },
            },
        )

    def _stats(self) -> Any:
        """The counts as Gemini shows them."""
        if not isinstance(self.counts, dict):
            return self.counts
        names = (("total", "requestCount"), ("completed", "successfulRequestCount"), ("failed", "failedRequestCount"))
        return {name: str(self.counts[key]) for key, name in names if self.counts.get(key)}

    async def _body(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


@pytest.fixture(params=BATCHERS)
def odd(request: pytest.FixtureRequest) -> Odd:
    return Odd(request.param)


async def create(adapter: AnyAdapter) -> str:
    return await adapter.create("job", [ASK], start=lambda: True, timeout_s=5.0)


async def read(adapter: AnyAdapter) -> tuple[list[str], ProviderError | None]:
    """The custom ids of the rows that came, and what was said then."""
    came: list[str] = []
    try:
        async for reply in adapter.replies("batch_1"):
            came.append(reply.custom_id)
    except ProviderError as error:
        return came, error
    return came, None


async def test_odd_rows_are_counted_and_lose_nothing_else(odd: Odd) -> None:
    row = unanswered(odd.kind, "job-0")
    odd.chunks = [row[:9], row[9:] + b"\n{broken\n", b"null\n\xff\xfe\n{}\n", row + b"\n", unanswered(odd.kind, "job-1")]
    with structlog.testing.capture_logs() as logs:
        replies = [reply async for reply in odd.open().replies("batch_1")]
    kind = ReplyKind.ERRORED if odd.kind == "google" else ReplyKind.EXPIRED
    assert [(reply.custom_id, reply.kind) for reply in replies] == [
        ("job-0", kind),
        ("job-0", kind),  # twice there, twice told: which one counts is the worker's decision
        ("job-1", kind),
    ]
    assert [(one["event"], one["line"]) for one in logs] == [("provider_row_unreadable", line) for line in (2, 3, 4, 5)]


@pytest.mark.parametrize(
    "broken", [httpx2.RemoteProtocolError("closed"), httpx2.ReadTimeout("slow"), httpx2.ReadError("reset")]
)
async def test_a_download_that_dies_midway_is_no_end_of_the_results(odd: Odd, broken: Exception) -> None:
    odd.chunks = [unanswered(odd.kind, "job-0") + b"\n" + unanswered(odd.kind, "job-1")[:20], broken]
    with structlog.testing.capture_logs() as logs:
        came, failed = await read(odd.open())
    assert came == ["job-0"]
    assert type(failed) is ProviderDown
    assert logs == []


async def test_the_row_that_is_counted_and_cannot_be_read_may_be_had_by_another_read(odd: Odd) -> None:
    odd.chunks = [unanswered(odd.kind, "job-0") + b"\n" + unanswered(odd.kind, "job-1")[:20]]
    came, failed = await read(odd.open())
    assert (came, type(failed)) == (["job-0"], ResultsNotWhole)
    odd.chunks = [unanswered(odd.kind, "job-0") + b"\n" + unanswered(odd.kind, "job-0")]  # twice is one row
    came, failed = await read(odd.open())
    assert (came, type(failed)) == (["job-0", "job-0"], ResultsNotWhole)


async def test_results_that_end_within_a_line_are_not_whole_whatever_is_counted(odd: Odd) -> None:
    odd.counts = {"total": 2, "completed": 0, "failed": 1, "expired": 1}
    odd.chunks = [unanswered(odd.kind, "job-0") + b"\n" + unanswered(odd.kind, "job-1")[:20]]
    if odd.kind != "anthropic":
        odd.status = "expired"  # where not every row is counted
    came, failed = await read(odd.open())
    assert (came, type(failed)) == (["job-0"], ResultsNotWhole)


@pytest.mark.parametrize("counts", [None, {}, "12", {"total": 0, "completed": 0, "failed": 0, "succeeded": 0}])
async def test_a_provider_that_does_not_count_confirms_no_missing_row(odd: Odd, counts: Any) -> None:
    odd.counts, odd.chunks = counts, [unanswered(odd.kind, "job-0")]
    came, failed = await read(odd.open())
    assert (came, type(failed)) == (["job-0"], ResultsNotWhole)
    assert getattr(failed, "paid", 0) is None


UNREADABLE: list[Any] = [
    httpx2.Response(200, text="<html>proxy</html>"),
    httpx2.Response(200, content=b""),
    httpx2.Response(200, json=["batch_1"]),
    httpx2.ReadError("reset"),
    httpx2.WriteError("reset"),
    httpx2.RemoteProtocolError("closed"),
    httpx2.ReadTimeout("slow"),
]


@pytest.mark.parametrize("answer", [*UNREADABLE, httpx2.Response(200, json={}), httpx2.Response(200, json={"id": 7})])
async def test_a_create_whose_answer_is_lost_is_unknown(odd: Odd, answer: Any) -> None:
    odd.answer = answer
    with pytest.raises(OutcomeUnknown):
        await create(odd.open())
    assert odd.posts == 1


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_a_call_whose_answer_is_lost_is_unknown(odd: Odd, answer: Any) -> None:
    odd.answer = answer
    with pytest.raises(OutcomeUnknown):
        await odd.open().call(ASK, timeout_s=5.0)
    assert odd.posts == 1


@pytest.mark.parametrize("error", [httpx2.ConnectError("refused"), httpx2.ConnectTimeout("slow"), httpx2.PoolTimeout("busy")])
async def test_what_was_never_sent_was_not_done(odd: Odd, error: Exception) -> None:
    odd.answer = error
    for attempt in (create(odd.open()), odd.open().call(ASK, timeout_s=5.0)):
        with pytest.raises(ProviderDown):
            await attempt


def with_controls(kind: str) -> dict[str, Any]:
    text = json.dumps({"winner": "Essay A", "justification": "clear\0er", "confidence": 3})
    if kind == "anthropic":
        return {"content": [{"type": "text", "text": text}], "usage": {"input_tokens": 9, "service_tier": "st\0d"}}
    if kind == "google":
        candidate = {"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}
        return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 9, "service_tier": "st\0d"}}
    return {"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": 9, "service_tier": "st\0d"}}


async def test_nothing_that_a_provider_says_brings_a_control_character_into_an_event(odd: Odd) -> None:
    odd.answer = httpx2.Response(200, json=with_controls(odd.kind))
    reply = await odd.open().call(ASK, timeout_s=5.0)
    assert judge(reply) == Answer("Essay A", "clear?er", 3.0)
    assert (reply.usage.prompt_tokens, (reply.usage.raw or {})["service_tier"]) == (9, "st?d")
    error: dict[str, Any] = {"type": "invalid\x1b_error", "code": "c\x1b", "message": "bad\0 \ud800", "status": "inv\x1b"}
    odd.answer = httpx2.Response(400, content=json.dumps({"error": error}))
    refused = judge(await odd.open().call(ASK, timeout_s=5.0))
    assert isinstance(refused, Retry)
    odd.answer = httpx2.Response(403, content=json.dumps({"error": error}))
    with pytest.raises(AccountRefused) as failed:
        await odd.open().call(ASK, timeout_s=5.0)
    for said in (refused.message, *refused.details.values(), str(failed.value)):
        assert said.isprintable()


async def test_no_failure_quotes_the_prompt(odd: Odd) -> None:
    secret = "An essay that no log may show"
    odd.answer = httpx2.Response(500, text="<html>")
    asked = Ask("job-0", "m", "Judge.", (PromptBlock(secret),), 100)
    with pytest.raises(OutcomeUnknown) as failed:
        await odd.open().create("job", [asked], start=lambda: True, timeout_s=5.0)
    error: BaseException | None = failed.value
    while error is not None:
        assert secret not in f"{error!r} {error}"
        error = error.__cause__
