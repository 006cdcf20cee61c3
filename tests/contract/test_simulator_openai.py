"""OpenAI's API as its own SDK meets it: the simulator, and a live account where `ROUNDBATCH_LIVE=1` and a key are set."""

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types import Batch
from openai.types.chat import ChatCompletion

from simulator.control import SimulatorControl
from simulator.process import running_simulator

MODEL = "gpt-6-luna"
URL = "/v1/chat/completions"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "winner": {"type": "string", "enum": ["Essay A", "Essay B"]},
        "justification": {"type": "string"},
        "confidence": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["winner", "justification", "confidence"],
    "additionalProperties": False,
}
LIVE = os.environ.get("ROUNDBATCH_LIVE") == "1" and bool(os.environ.get("OPENAI_API_KEY"))


def prompt(a: float = 0.9, b: float = 0.1, more: str = "") -> str:
    return (
        f"Compare.\n\n**Essay A (ID: a1):**\nText of A [quality:{a}] {more}\n\n"
        f"**Essay B (ID: b1):**\nText of B [quality:{b}]\n\nAnswer with winner, justification, confidence 1-5."
    )


def response_format(schema: dict[str, Any] = SCHEMA, strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": strict, "schema": schema}}


def body(text: str | None = None, **more: Any) -> Any:
    return {
        "model": MODEL,
        "max_completion_tokens": 400,
        "messages": [
            {"role": "system", "content": "You judge essays."},
            {"role": "user", "content": text or prompt()},
        ],
        "response_format": response_format(),
        **more,
    }


def line(custom_id: str, row_body: Any = None, **more: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": URL, "body": row_body or body(), **more}


def lines(count: int) -> list[dict[str, Any]]:
    return [line(f"job-1-{n}", body(prompt(more=str(n)))) for n in range(count)]


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    with running_simulator(
        seed=7,
        judge_error_rate=0.0,
        openai_batch_max_requests=50,
        openai_file_max_bytes=100_000,
        bad_keys=["revoked"],
        workspaces={"other-key": "other"},
    ) as control:
        yield control


@pytest.fixture
def sim(process: SimulatorControl) -> SimulatorControl:
    process.reset()
    return process


def client_of(sim: SimulatorControl, api_key: str = "a-key") -> openai.OpenAI:
    return openai.OpenAI(base_url=sim.openai_url, api_key=api_key, max_retries=0, timeout=20)


@pytest.fixture
def client(sim: SimulatorControl) -> Iterator[openai.OpenAI]:
    with client_of(sim) as made:
        yield made


@pytest.fixture(params=["simulator", "live"] if LIVE else ["simulator"])
def anyone(request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    """A client of the simulator; with the live flag each test that uses it runs on the real account as well."""
    if request.param == "live":
        with openai.OpenAI(api_key=os.environ["OPENAI_API_KEY"], max_retries=2) as made:
            yield made
    else:
        with client_of(request.getfixturevalue("sim")) as made:
            yield made


def submit(client: openai.OpenAI, content: bytes | list[dict[str, Any]], **more: Any) -> Batch:
    if isinstance(content, list):
        content = b"".join(json.dumps(row).encode() + b"\n" for row in content)
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **more)


def rows_of(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    raw = client.files.content(file_id).content
    return {row["custom_id"]: row for row in map(json.loads, filter(None, raw.split(b"\n")))}


def answer(completion: ChatCompletion) -> dict[str, Any]:
    content = completion.choices[0].message.content
    assert content is not None
    parsed: dict[str, Any] = json.loads(content)
    return parsed


# What a live account must answer alike.


def test_completion_with_schema(anyone: openai.OpenAI) -> None:
    raw = anyone.chat.completions.with_raw_response.create(**body())
    completion = raw.parse()
    verdict = answer(completion)
    assert verdict["winner"] in ("Essay A", "Essay B")
    assert set(verdict) == {"winner", "justification", "confidence"}
    assert completion.choices[0].finish_reason == "stop"
    assert completion.choices[0].message.refusal is None
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert completion.usage.prompt_tokens_details is not None
    assert raw.headers["x-request-id"].startswith("req_")
    for name in ("requests", "tokens"):
        for part in ("limit", "remaining", "reset"):
            assert f"x-ratelimit-{part}-{name}" in raw.headers


def test_unknown_field_is_refused(anyone: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        anyone.chat.completions.create(**body(), extra_body={"no_such_field": 1})
    assert refused.value.type == "invalid_request_error"
    assert "no_such_field" in refused.value.message


def test_schema_without_required_is_refused(anyone: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        anyone.chat.completions.create(**body(response_format=response_format({**SCHEMA, "required": ["winner"]})))
    assert refused.value.param == "response_format"


def test_unknown_model(anyone: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        anyone.chat.completions.create(**body(model="gpt-nobody-9"))
    assert refused.value.code == "model_not_found"


def test_batch_is_created_listed_and_cancelled(anyone: openai.OpenAI, sim: SimulatorControl) -> None:
    sim.hold()
    batch = submit(anyone, lines(2), metadata={"job": "job-1"})
    assert batch.status == "validating"
    assert batch.completion_window == "24h"
    assert batch.expires_at is not None
    assert batch.expires_at - batch.created_at == 24 * 3600
    [listed] = [each for each in anyone.batches.list(limit=5).data if each.id == batch.id]
    assert listed.metadata == {"job": "job-1"}
    assert listed.input_file_id == batch.input_file_id
    assert anyone.batches.cancel(batch.id).status == "cancelling"


def test_batch_of_an_unknown_file(anyone: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        anyone.batches.create(input_file_id="file-nothing", endpoint="/v1/chat/completions", completion_window="24h")


def test_model_is_known(anyone: openai.OpenAI) -> None:
    assert anyone.models.retrieve(MODEL).object == "model"
    assert MODEL in [model.id for model in anyone.models.list()]


# What only a simulator can be made to do.


def test_batch_from_upload_to_output(client: openai.OpenAI, sim: SimulatorControl) -> None:
    sim.hold()
    created = submit(client, lines(12), metadata={"job": "job-1"})
    running = client.batches.retrieve(created.id)
    assert running.status == "in_progress"
    assert running.request_counts is not None
    assert running.request_counts.total == 12
    assert running.output_file_id is None
    assert sim.finish() == [created.id]
    ended = client.batches.retrieve(created.id)
    assert ended.status == "completed"
    assert ended.error_file_id is None
    assert ended.request_counts is not None
    assert ended.request_counts.to_dict() == {"total": 12, "completed": 12, "failed": 0}
    rows = rows_of(client, ended.output_file_id)
    assert sorted(rows) == sorted(f"job-1-{n}" for n in range(12))
    assert list(rows) != [f"job-1-{n}" for n in range(12)]
    for row in rows.values():
        assert row["error"] is None
        assert row["response"]["status_code"] == 200
        assert answer(ChatCompletion.model_validate(row["response"]["body"]))["winner"] == "Essay A"
    assert client.files.retrieve(str(ended.output_file_id)).purpose == "batch_output"

    ledger = sim.ledger()
    assert ledger["batch_items_paid"] == ledger["items_paid"] == 12
    assert ledger["batch_items_paid_twice"] == 0
    assert ledger["cost_usd"] == pytest.approx(ledger["cost_single_usd"] / 2)
    usage = [row["response"]["body"]["usage"] for row in rows.values()]
    assert ledger["input_tokens"] == sum(each["prompt_tokens"] for each in usage)
    assert ledger["http_by_endpoint"]["openai.files.create"] == 1


def test_counts_move_while_it_runs() -> None:
    with running_simulator(batch_duration_s=1000, validation_s=10) as slow, client_of(slow) as client:
        batch = submit(client, lines(10))
        assert client.batches.retrieve(batch.id).status == "validating"
        slow.advance(515)
        running = client.batches.retrieve(batch.id)
        assert running.status == "in_progress"
        assert running.request_counts is not None
        assert running.request_counts.completed == 5
        client.batches.cancel(batch.id)
        ended = client.batches.retrieve(batch.id)
        # Cancelled batches keep their paid partial output; the rows that were not done are in neither file.
        assert ended.status == "cancelled"
        assert len(rows_of(client, ended.output_file_id)) == 5
        assert ended.error_file_id is None
        assert slow.ledger()["items_paid"] == 5
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(batch.id)


def test_batch_expires_after_a_day() -> None:
    with running_simulator(batch_duration_s=2 * 24 * 3600) as slow, client_of(slow) as client:
        batch = submit(client, lines(10))
        slow.advance(24 * 3600)
        ended = client.batches.retrieve(batch.id)
        assert ended.status == "expired"
        assert len(rows_of(client, ended.output_file_id)) == 5
        errors = rows_of(client, ended.error_file_id)
        assert len(errors) == 5
        for row in errors.values():
            assert row["response"] is None
            assert row["error"]["code"] == "batch_expired"
        assert slow.ledger()["items_paid"] == 5


def test_rows_that_fail(client: openai.OpenAI, sim: SimulatorControl) -> None:
    sim.faults(
        {"fault": "errored", "next": 1, "error_type": "server_error"},
        {"fault": "missing", "next": 1},
        {"fault": "refused", "next": 1},
        {"fault": "cut", "next": 1},
        {"fault": "invalid", "next": 1, "variant": "justification_long"},
        {"fault": "status_zero", "next": 1},
    )
    batch = client.batches.retrieve(submit(client, lines(7)).id)
    assert batch.status == "completed"
    output, errors = rows_of(client, batch.output_file_id), rows_of(client, batch.error_file_id)
    assert set(output) == {f"job-1-{n}" for n in (2, 3, 4, 6)}
    assert set(errors) == {"job-1-0", "job-1-5"}
    assert errors["job-1-0"]["error"] is None
    assert errors["job-1-0"]["response"]["status_code"] == 500
    assert errors["job-1-0"]["response"]["body"]["error"]["type"] == "server_error"
    assert errors["job-1-5"]["response"] == {"status_code": 0, "request_id": "", "body": {}}

    def completion(n: int) -> ChatCompletion:
        return ChatCompletion.model_validate(output[f"job-1-{n}"]["response"]["body"])

    assert completion(2).choices[0].message.content is None
    assert completion(2).choices[0].message.refusal
    assert completion(3).choices[0].finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        answer(completion(3))
    assert len(answer(completion(4))["justification"]) >= 600
    assert answer(completion(6))["winner"] == "Essay A"
    assert sorted(item["outcome"] for item in sim.items()) == ["cut", "invalid", "ok", "refused"]


def test_expired_rows_make_an_expired_batch(client: openai.OpenAI, sim: SimulatorControl) -> None:
    sim.faults(fault="expired", next=1)
    batch = client.batches.retrieve(submit(client, lines(3)).id)
    assert batch.status == "expired"
    assert rows_of(client, batch.error_file_id)["job-1-0"]["error"]["code"] == "batch_expired"
    assert len(rows_of(client, batch.output_file_id)) == 2


def test_completed_with_every_row_failed_has_no_output(client: openai.OpenAI, sim: SimulatorControl) -> None:
    sim.faults(fault="errored", rate=1.0, error_type="rate_limit_error")
    batch = client.batches.retrieve(submit(client, lines(3)).id)
    assert (batch.status, batch.output_file_id) == ("completed", None)
    statuses = [row["response"]["status_code"] for row in rows_of(client, batch.error_file_id).values()]
    assert statuses == [429, 429, 429]
    assert sim.ledger()["items_paid"] == 0


def test_bad_body_fails_its_row_alone(client: openai.OpenAI) -> None:
    batch = submit(client, [line("good"), line("bad", body(no_such_field=1)), line("odd", body(temperature=3))])
    ended = client.batches.retrieve(batch.id)
    assert set(rows_of(client, ended.output_file_id)) == {"good"}
    errors = rows_of(client, ended.error_file_id)
    assert {row["response"]["status_code"] for row in errors.values()} == {400}
    assert errors["bad"]["response"]["body"]["error"]["code"] == "unknown_parameter"


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


def test_injected_failure_of_validation(client: openai.OpenAI, sim: SimulatorControl) -> None:
    sim.faults(fault="failed_validation", next=1, code="billing_hard_limit_reached")
    failed = client.batches.retrieve(submit(client, lines(1)).id)
    assert failed.status == "failed"
    assert failed.errors is not None
    assert failed.errors.data is not None
    assert failed.errors.data[0].code == "billing_hard_limit_reached"
    assert client.batches.retrieve(submit(client, lines(1)).id).status == "completed"


def test_enqueued_token_limit() -> None:
    with running_simulator(openai_enqueued_tokens=250, hold=True) as tight, client_of(tight) as client:
        assert client.batches.retrieve(submit(client, lines(3)).id).status == "in_progress"
        second = client.batches.retrieve(submit(client, lines(3)).id)
        assert second.status == "failed"
        assert second.errors is not None
        assert second.errors.data is not None
        assert second.errors.data[0].code == "token_limit_exceeded"
        tight.finish()
        assert client.batches.retrieve(submit(client, lines(3)).id).status == "in_progress"


def test_completed_before_its_file(client: openai.OpenAI, sim: SimulatorControl) -> None:
    sim.faults(fault="file_late", next=2)
    batch = submit(client, lines(1))
    for _ in range(2):
        early = client.batches.retrieve(batch.id)
        assert (early.status, early.output_file_id) == ("completed", None)
    assert client.batches.retrieve(batch.id).output_file_id is not None


def test_not_found_right_after_create(client: openai.OpenAI, sim: SimulatorControl) -> None:
    batch = submit(client, lines(1))
    sim.faults(fault="not_found", next=1, provider="openai")
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(batch.id)
    assert client.batches.retrieve(batch.id).status == "completed"


def test_calls_that_fail(client: openai.OpenAI, sim: SimulatorControl) -> None:
    for status in (400, 401, 403, 429, 500, 503):
        sim.faults(fault="status", status=status, next=1)
        with pytest.raises(openai.APIStatusError) as refused:
            client.chat.completions.create(**body())
        assert refused.value.status_code == status
    sim.faults(fault="status", status=429, next=1, retry_after_s=3, code="insufficient_quota")
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(**body())
    assert limited.value.code == "insufficient_quota"
    assert limited.value.response.headers["retry-after"] == "3"
    sim.faults(fault="status", status=500, next=1, endpoint="files.create")
    with pytest.raises(openai.InternalServerError):
        submit(client, lines(1))
    assert sim.ledger()["items_paid"] == 0


def test_hang_after_create_makes_the_batch(client: openai.OpenAI, sim: SimulatorControl) -> None:
    sim.faults(fault="hang", next=1)
    file = client.files.create(file=("in.jsonl", json.dumps(line("a")).encode()), purpose="batch")
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5).batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"job": "7"},
        )
    [found] = client.batches.list().data
    assert (found.metadata, found.input_file_id) == ({"job": "7"}, file.id)


def test_slow_create_goes_on_without_its_client(client: openai.OpenAI, sim: SimulatorControl) -> None:
    sim.faults(fault="slow", next=1, stall_s=0.4)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.1).chat.completions.create(**body())
    # The ledger gets the item when the provider is done, which no client waits for any more.
    given_up_at = time.monotonic() + 10
    while sim.ledger()["items_paid"] == 0:
        assert time.monotonic() < given_up_at


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


def test_files(client: openai.OpenAI, sim: SimulatorControl) -> None:
    content = b'{"text": "caf\xc3\xa9\xe2\x80\xa8"}\n'
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    assert (file.bytes, file.filename, file.purpose) == (len(content), "in.jsonl", "batch")
    assert client.files.content(file.id).content == content
    assert [listed.id for listed in client.files.list(purpose="batch")] == [file.id]
    with client_of(sim, "other-key") as other:
        assert other.files.list().data == []
        with pytest.raises(openai.NotFoundError):
            other.files.content(file.id)
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    with pytest.raises(openai.APIStatusError) as refused:
        client.files.create(file=("in.jsonl", b"x" * 100_001), purpose="batch")
    assert refused.value.status_code == 413


def test_pages_and_workspaces(client: openai.OpenAI, sim: SimulatorControl) -> None:
    ids = [submit(client, lines(1)).id for _ in range(5)][::-1]
    assert [batch.id for batch in client.batches.list(limit=2)] == ids
    page = client.batches.list(limit=2, after=ids[1])
    assert [batch.id for batch in page.data] == ids[2:4]
    assert page.has_more
    with client_of(sim, "other-key") as other, pytest.raises(openai.NotFoundError):
        other.batches.retrieve(ids[0])
    with client_of(sim, "revoked") as revoked, pytest.raises(openai.AuthenticationError) as refused:
        revoked.batches.list()
    assert refused.value.code == "invalid_api_key"


def test_metadata_has_limits(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        submit(client, lines(1), metadata={str(n): "x" for n in range(17)})
    with pytest.raises(openai.BadRequestError):
        submit(client, lines(1), metadata={"job": "x" * 513})


def test_rate_limit_by_token_bucket() -> None:
    with running_simulator(requests_per_minute=2) as tight, client_of(tight) as client:
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


async def test_async_client(sim: SimulatorControl) -> None:
    async with openai.AsyncOpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as client:
        completion = await client.chat.completions.create(**body(prompt(0.1, 0.9)))
        assert answer(completion)["winner"] == "Essay B"
