"""How a batch of Gemini's that was lost is found again: by its name, in a list that may be odd."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import structlog

from providers.google.adapter import GoogleProvider
from providers.protocol import OutcomeUnknown, ProviderDown
from simulator.control import SimulatorControl
from tests.contract.adapter_asks import MODELS, look_for, now_ms, submit_as
from tests.harness.forked import forked_simulator
from tests.waiting import NO_ANSWER_S

DAY_S = 24 * 3600


@pytest.fixture
def process() -> Iterator[SimulatorControl]:
    """One for each test: some move its clock, and no reset takes that back."""
    with forked_simulator(judge_error_rate=0.0) as control:
        yield control


@pytest.fixture
def kind() -> str:
    return "google"


class TestFinding:
    @pytest.mark.parametrize(
        "fault", [{"fault": "hang"}, {"fault": "status_after", "status": 500}, {"fault": "status_after", "status": 503}]
    )
    async def test_a_create_that_was_done_and_not_answered(
        self, provider: GoogleProvider, process: SimulatorControl, fault: dict[str, Any]
    ) -> None:
        claimed_ms = now_ms()
        process.faults({**fault, "next": 1, "endpoint": "batches.create"})
        with pytest.raises(OutcomeUnknown):
            await submit_as(provider, "rb-lost", timeout_s=NO_ANSWER_S)
        found, untold = await look_for(provider, "rb-lost", claimed_ms)
        assert (found, untold) == (process.batches()[0]["id"], 0)
        assert await look_for(provider, "rb-never", claimed_ms) == (None, 0)

    async def test_a_create_that_failed_and_made_nothing(self, provider: GoogleProvider, process: SimulatorControl) -> None:
        process.faults(fault="status", status=503, next=1, endpoint="batches.create", message="The model is overloaded.")
        with pytest.raises(OutcomeUnknown):
            await submit_as(provider, "rb-lost", 2)
        assert await provider.candidates(now_ms()) == ()

    async def test_two_batches_of_one_job_are_both_shown(self, provider: GoogleProvider) -> None:
        """As after a create that something between us and Google has sent twice: the names need not be unique."""
        first, second = [await submit_as(provider, "rb-1", 2) for _ in range(2)]
        assert [(one.provider_job_id, one.job_id) for one in await provider.candidates(now_ms())] == [
            (second, "rb-1"),
            (first, "rb-1"),
        ]

    async def test_over_pages_to_before_the_claim_and_one_beyond(
        self, provider: GoogleProvider, process: SimulatorControl, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("providers.google.adapter.PAGE_ROWS", 2)
        old = [await submit_as(provider, f"rb-old-{number}", 2) for number in range(4)]
        process.advance(2 * DAY_S)
        new = [await submit_as(provider, f"rb-{number}", 2) for number in range(3)]
        process.calls()
        seen = [one.provider_job_id for one in await provider.candidates(now_ms() + 2 * DAY_S * 1000)]
        assert seen == [*new[::-1], old[3]]
        assert len([call for call in process.calls() if call["endpoint"] == "batches.list"]) == 2

    async def test_a_list_that_is_not_in_order_is_read_to_its_end(
        self, provider: GoogleProvider, process: SimulatorControl, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("providers.google.adapter.PAGE_ROWS", 2)
        for number in range(4):
            await submit_as(provider, f"rb-old-{number}", 2)
        process.advance(2 * DAY_S)
        new = [await submit_as(provider, f"rb-{number}", 2) for number in range(3)]
        process.faults(fault="odd_list", rate=1.0)
        with structlog.testing.capture_logs() as logs:
            seen = [one.provider_job_id for one in await provider.candidates(now_ms() + 2 * DAY_S * 1000)]
        assert set(new) <= set(seen)
        assert [one["event"] for one in logs] == ["batch_list_not_in_order"]

    async def test_where_the_field_mask_is_refused_the_list_is_read_without(self) -> None:
        with forked_simulator(google_fields=False) as simulator:
            provider = GoogleProvider("good-key", base_url=simulator.base_url)
            batch = await submit_as(provider, "rb-1", 3)
            for _ in range(2):
                (one,) = await provider.candidates(now_ms())
                assert (one.provider_job_id, one.job_id, one.total, one.ended) == (batch, "rb-1", 3, True)
            statuses = [call["status"] for call in simulator.calls() if call["endpoint"] == "batches.list"]
            assert statuses == [400, 200, 200]  # refused once, and not asked for again
            await provider.close()

    async def test_a_batch_of_another_program(self, provider: GoogleProvider, process: SimulatorControl) -> None:
        async with httpx2.AsyncClient(trust_env=False, headers={"x-goog-api-key": "good-key"}) as client:
            request = {"request": {"contents": [{"parts": [{"text": "Hello."}]}]}, "metadata": {"key": "k"}}
            body = {"batch": {"displayName": "nightly", "inputConfig": {"requests": {"requests": [request]}}}}
            url = f"{process.base_url}/v1beta/models/{MODELS['google']}:batchGenerateContent"
            assert (await client.post(url, json=body)).status_code == 200
        (one,) = await provider.candidates(now_ms())
        assert one.job_id == "nightly"
        assert await provider.owner(one.provider_job_id) == "nightly"


@pytest.mark.parametrize(
    ("metadata", "job_id", "total"),
    [
        ({"displayName": "rb-1", "batchStats": {"requestCount": "7"}}, "rb-1", 7),
        ({"inputConfig": {"fileName": "files/roundbatch-rb-1"}}, "rb-1", 0),  # the second mark
        ({"inputConfig": {"fileName": "files/abc"}}, None, 1),  # it may be ours: absent is not concluded while it runs
        ({}, None, 1),
    ],
)
async def test_by_what_a_batch_of_the_list_is_known(metadata: dict[str, Any], job_id: str | None, total: int) -> None:
    shown = {"name": "batches/1", "metadata": {"createTime": "2027-01-15T08:00:00Z", **metadata}}
    provider = answering({"operations": [shown]})
    (one,) = await provider.candidates(1_800_000_000_000)
    assert (one.job_id, one.total, one.created_ms) == (job_id, total, 1_800_000_000_000)


def answering(page: Any) -> GoogleProvider:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, json=page))
    return GoogleProvider("k", base_url="http://provider", transport=transport)


async def test_an_empty_list_is_an_empty_object_and_the_page_size_is_always_sent() -> None:
    asked: list[httpx2.QueryParams] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.params)
        return httpx2.Response(200, json={})

    provider = GoogleProvider("k", base_url="http://provider", transport=httpx2.MockTransport(answer))
    assert await provider.candidates(1_800_000_000_000) == ()
    assert await provider.orphan_files(1_800_000_000_000) == ()
    assert [one["pageSize"] for one in asked] == ["100", "100"]


@pytest.mark.parametrize(
    "page",
    [
        {"operations": None},
        {"operations": "x"},
        {"operations": [{"name": "batches/1"}]},
        {"operations": [{"name": "batches/1", "metadata": {"createTime": "yesterday"}}]},
        {"operations": [{"metadata": {"createTime": "2027-01-15T08:00:00Z"}}]},
        {"operations": [], "nextPageToken": 7},
        {"operations": [], "nextPageToken": "round in circles"},
        ["a list"],
        "<html>",
    ],
)
async def test_a_page_that_cannot_be_understood_is_not_absence(page: Any) -> None:
    with pytest.raises(ProviderDown):
        await answering(page).candidates(1_800_000_000_000)
