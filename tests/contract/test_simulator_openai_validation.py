"""OpenAI's SDK against the simulator: what is refused, what fails, files and limits."""

# ruff: noqa: F811 - fixtures are imported, and arguments bear their names

import json
from typing import Any

import openai
import pytest

from simulator.control import SimulatorControl
from tests.contract.openai_client import (  # noqa: F401 - the fixtures
    answer,
    anyone,
    body,
    client,
    client_of,
    line,
    lines,
    process,
    prompt,
    rows_of,
    submit,
)
from tests.harness.forked import forked_simulator
from tests.waiting import NO_ANSWER_S, until


@pytest.mark.parametrize(
    ("content", "code", "line_number"),
    [
        (b"", "empty_file", None),
        (b'{"custom_id": \n', "invalid_json_line", 1),
        ([line("a"), line("a")], "duplicate_custom_id", 2),
        ([line("a"), line("b", body(model="gpt-6.1-terra"))], "model_mismatch", 2),
        ([line("a", body(model="gpt-nobody-9"))], "model_not_found", 1),
        ([line("a", method="GET")], "invalid_method", 1),
        ([line("a", url="/v1/responses")], "invalid_url", 1),
        ([line("a", extra=1)], "unknown_parameter", 1),
        (b'{"x": 1}\n' * 51, "too_many_tasks", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_validation_fails_after_create(client: openai.OpenAI, content: Any, code: str, line_number: int | None) -> None:
    created = submit(client, content)
    assert created.status == "validating"
    assert created.errors is None
    failed = client.batches.retrieve(created.id)
    assert failed.status == "failed"
    assert failed.failed_at is not None
    assert failed.errors is not None
    assert failed.errors.data is not None
    [error] = failed.errors.data
    assert (error.code, error.line) == (code, line_number)
    assert (failed.output_file_id, failed.error_file_id) == (None, None)


def test_injected_failure_of_validation(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    simulator.faults(fault="failed_validation", next=1, code="billing_hard_limit_reached")
    failed = client.batches.retrieve(submit(client, lines(1)).id)
    assert failed.status == "failed"
    assert failed.errors is not None
    assert failed.errors.data is not None
    assert failed.errors.data[0].code == "billing_hard_limit_reached"
    assert client.batches.retrieve(submit(client, lines(1)).id).status == "completed"


def test_enqueued_token_limit() -> None:
    with forked_simulator(openai_enqueued_tokens=250, hold=True) as tight, client_of(tight) as client:
        assert client.batches.retrieve(submit(client, lines(3)).id).status == "in_progress"
        second = client.batches.retrieve(submit(client, lines(3)).id)
        assert second.status == "failed"
        assert second.errors is not None
        assert second.errors.data is not None
        assert second.errors.data[0].code == "token_limit_exceeded"
        tight.finish()
        assert client.batches.retrieve(submit(client, lines(3)).id).status == "in_progress"


def test_completed_before_its_file(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    simulator.faults(fault="file_late", next=2)
    batch = submit(client, lines(1))
    for _ in range(2):
        early = client.batches.retrieve(batch.id)
        assert (early.status, early.output_file_id) == ("completed", None)
    assert client.batches.retrieve(batch.id).output_file_id is not None


def test_not_found_right_after_create(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    batch = submit(client, lines(1))
    simulator.faults(fault="not_found", next=1, provider="openai")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(batch.id)
    assert client.batches.retrieve(batch.id).status == "completed"


def test_calls_that_fail(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    for status in (400, 401, 403, 429, 500, 503):
        simulator.faults(fault="status", status=status, next=1)
        with pytest.raises(openai.APIStatusError) as refused:
            client.chat.completions.create(**body())
        assert refused.value.status_code == status
    simulator.faults(fault="status", status=429, next=1, retry_after_s=3, code="insufficient_quota")
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(**body())
    assert limited.value.code == "insufficient_quota"
    assert limited.value.response.headers["retry-after"] == "3"
    simulator.faults(fault="status", status=500, next=1, endpoint="files.create")
    with pytest.raises(openai.InternalServerError):
        submit(client, lines(1))
    assert simulator.ledger()["items_paid"] == 0


def test_hang_after_create_makes_the_batch(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    simulator.faults(fault="hang", next=1)
    file = client.files.create(file=("in.jsonl", json.dumps(line("a")).encode()), purpose="batch")
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=NO_ANSWER_S).batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"job": "7"},
        )
    [found] = client.batches.list().data
    assert (found.metadata, found.input_file_id) == ({"job": "7"}, file.id)


def test_slow_create_goes_on_without_its_client(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    simulator.faults(fault="slow", next=1, stall_s=NO_ANSWER_S + 0.3)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=NO_ANSWER_S).chat.completions.create(**body())
    # The ledger gets the item when the provider is done, which no client waits for any more.
    until(lambda: simulator.ledger()["items_paid"], "the item is paid")


def test_tags_in_a_prompt(client: openai.OpenAI) -> None:
    tags = ("refuse", "invalid", "error", "400", "expire")
    batch = submit(client, [line(tag, body(prompt(more=f"[sim:{tag}]"))) for tag in tags])
    ended = client.batches.retrieve(batch.id)
    output, errors = rows_of(client, ended.output_file_id), rows_of(client, ended.error_file_id)
    assert set(output) == {"refuse", "invalid"}
    assert errors["error"]["response"]["status_code"] == 500
    assert errors["400"]["response"]["status_code"] == 400
    assert errors["expire"]["error"]["code"] == "batch_expired"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**body(prompt(more="[sim:400]")))


def test_files(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    content = b'{"text": "caf\xc3\xa9\xe2\x80\xa8"}\n'
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    assert (file.bytes, file.filename, file.purpose) == (len(content), "in.jsonl", "batch")
    assert client.files.content(file.id).content == content
    assert [listed.id for listed in client.files.list(purpose="batch")] == [file.id]
    with client_of(simulator, "other-key") as other:
        assert other.files.list().data == []
        with pytest.raises(openai.NotFoundError):
            other.files.content(file.id)
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    with pytest.raises(openai.APIStatusError) as refused:
        client.files.create(file=("in.jsonl", b"x" * 100_001), purpose="batch")
    assert refused.value.status_code == 413


def test_pages_and_workspaces(client: openai.OpenAI, simulator: SimulatorControl) -> None:
    ids = [submit(client, lines(1)).id for _ in range(5)][::-1]
    assert [batch.id for batch in client.batches.list(limit=2)] == ids
    page = client.batches.list(limit=2, after=ids[1])
    assert [batch.id for batch in page.data] == ids[2:4]
    assert page.has_more
    with client_of(simulator, "other-key") as other, pytest.raises(openai.NotFoundError):
        other.batches.retrieve(ids[0])
    with client_of(simulator, "revoked") as revoked, pytest.raises(openai.AuthenticationError) as refused:
        revoked.batches.list()
    assert refused.value.code == "invalid_api_key"


def test_metadata_has_limits(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        submit(client, lines(1), metadata={str(n): "x" for n in range(17)})
    with pytest.raises(openai.BadRequestError):
        submit(client, lines(1), metadata={"job": "x" * 513})


def test_rate_limit_by_token_bucket() -> None:
    with forked_simulator(requests_per_minute=2) as tight, client_of(tight) as client:
        for _ in range(2):
            client.chat.completions.create(**body())
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(**body())
        headers = limited.value.response.headers
        assert 29 <= int(headers["retry-after"]) <= 30
        assert headers["x-ratelimit-limit-requests"] == "2"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert limited.value.code == "rate_limit_exceeded"
        tight.advance(31)
        client.chat.completions.create(**body())


async def test_async_client(simulator: SimulatorControl) -> None:
    async with openai.AsyncOpenAI(base_url=simulator.openai_url, api_key="k", max_retries=0) as client:
        completion = await client.chat.completions.create(**body(prompt(0.1, 0.9)))
        assert answer(completion)["winner"] == "Essay B"
