"""Anthropic's SDK against the simulator: pages, keys, headers, failures, caching."""

# ruff: noqa: F811 - fixtures are imported, and arguments bear their names

import anthropic
import httpx2
import pytest

from simulator.control import SimulatorControl
from tests.contract.anthropic_client import (  # noqa: F401 - the fixtures
    anyone,
    client,
    client_of,
    params,
    process,
    prompt,
    requests,
    results_of,
)
from tests.waiting import NO_ANSWER_S


def test_pages(client: anthropic.Anthropic) -> None:
    ids = [client.messages.batches.create(requests=requests(1)).id for _ in range(5)][::-1]
    assert [batch.id for batch in client.messages.batches.list(limit=2)] == ids
    page = client.messages.batches.list(limit=2, after_id=ids[1])
    assert [batch.id for batch in page.data] == ids[2:4]
    assert page.has_more
    before = client.messages.batches.list(limit=2, before_id=ids[3])
    assert [batch.id for batch in before.data] == ids[1:3]
    assert before.has_more
    with pytest.raises(anthropic.BadRequestError, match="limit"):
        client.messages.batches.list(limit=1001)


def test_delete(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.hold()
    batch = client.messages.batches.create(requests=requests(1))
    with pytest.raises(anthropic.BadRequestError, match="still processing"):
        client.messages.batches.delete(batch.id)
    simulator.finish(batch_id=batch.id)
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(batch.id)


def test_keys_and_workspaces(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    batch = client.messages.batches.create(requests=requests(1))
    with client_of(simulator, "another-key-of-the-same-workspace") as same:
        assert same.messages.batches.retrieve(batch.id).id == batch.id
    with client_of(simulator, "other-key") as other:
        assert other.messages.batches.list().data == []
        with pytest.raises(anthropic.NotFoundError):
            other.messages.batches.retrieve(batch.id)
    with client_of(simulator, "revoked") as revoked, pytest.raises(anthropic.AuthenticationError) as refused:
        revoked.messages.create(**params())
    assert refused.value.type == "authentication_error"


def test_headers_are_required(simulator: SimulatorControl) -> None:
    with httpx2.Client(base_url=simulator.base_url) as http:
        version = {"anthropic-version": "2026-10-21"}
        assert http.get("/v1/messages/batches", headers=version).status_code == 401
        assert http.get("/v1/messages/batches", headers={"x-api-key": "k"}).status_code == 400
        assert http.get("/v1/messages/batches", headers={"x-api-key": "k", **version}).status_code == 200
        bearer = {"authorization": "Bearer k", **version}
        assert http.get("/v1/messages/batches", headers=bearer).status_code == 200
        unknown = http.get("/v1/nothing", headers=bearer)
        assert unknown.status_code == 404
        body = unknown.json()
        assert body["type"] == "error"
        assert body["error"]["type"] == "not_found_error"
        assert body["request_id"] == unknown.headers["request-id"]


def test_batch_of_too_many_requests(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="at most 50"):
        client.messages.batches.create(requests=requests(51))


def test_not_found_right_after_create(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    batch = client.messages.batches.create(requests=requests(1))
    simulator.faults(fault="not_found", next=2)
    for _ in range(2):
        with pytest.raises(anthropic.NotFoundError):
            client.messages.batches.retrieve(batch.id)
    assert client.messages.batches.retrieve(batch.id).processing_status == "ended"
    simulator.faults(fault="not_found", next=1, endpoint="batches.results")
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.results(batch.id)
    assert len(results_of(client, batch.id)) == 1


def test_calls_that_fail(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    for status in (400, 401, 403, 429, 500, 529):
        simulator.faults(fault="status", status=status, next=1, endpoint="messages.create")
        with pytest.raises(anthropic.APIStatusError) as refused:
            client.messages.create(**params())
        assert refused.value.status_code == status
    simulator.faults(fault="status", status=429, next=1, retry_after_s=17, code="enforced_spend_limit_reached")
    with pytest.raises(anthropic.RateLimitError) as limited:
        client.messages.batches.create(requests=requests(1))
    assert limited.value.response.headers["retry-after"] == "17"
    assert limited.value.error_code == "enforced_spend_limit_reached"
    assert simulator.ledger()["items_paid"] == 0
    assert client.messages.create(**params()).stop_reason == "end_turn"


def test_hang_after_create_makes_the_batch(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.faults(fault="hang", next=1, endpoint="batches.create")
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=NO_ANSWER_S).messages.batches.create(requests=requests(3))
    [batch] = client.messages.batches.list().data
    assert batch.request_counts.succeeded == 3
    assert simulator.ledger()["batches"] == 1


def test_hang_after_a_call_is_paid(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.faults(fault="hang", next=1)
    with pytest.raises(anthropic.APITimeoutError):
        client.with_options(timeout=NO_ANSWER_S).messages.create(**params())
    assert simulator.ledger()["call_items_paid"] == 1


def test_results_late(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.faults(fault="file_late", next=1)
    batch = client.messages.batches.create(requests=requests(1))
    late = client.messages.batches.retrieve(batch.id)
    assert (late.processing_status, late.results_url) == ("ended", None)
    assert client.messages.batches.retrieve(batch.id).results_url is not None


def test_prompt_cache(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    system = [{"type": "text", "text": "Rules. " * 400, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    first = client.messages.create(**params(system=system)).usage
    second = client.messages.create(**params(prompt(more="other"), system=system)).usage
    assert first.cache_creation_input_tokens == second.cache_read_input_tokens == 700
    assert second.cache_creation_input_tokens == 0
    assert first.cache_creation is not None
    assert first.cache_creation.ephemeral_1h_input_tokens == 700
    one, two = simulator.items()
    assert two["cached_input_tokens"] == 700
    assert one["cost_usd"] - two["cost_usd"] == pytest.approx(700 * (0.2 - 0.01) / 1e6, rel=0.02)
    with pytest.raises(anthropic.BadRequestError, match="maximum of 4"):
        client.messages.create(**params(system=system * 5))


def test_short_answers_are_cut(client: anthropic.Anthropic) -> None:
    message = client.messages.create(**params(max_tokens=5))
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 5


async def test_async_client(simulator: SimulatorControl) -> None:
    async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="k", max_retries=0) as client:
        batch = await client.messages.batches.create(requests=requests(4))
        rows = [row.custom_id async for row in await client.messages.batches.results(batch.id)]
        assert len(rows) == 4
