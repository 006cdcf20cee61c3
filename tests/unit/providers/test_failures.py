"""What an HTTP status or a broken connection means, by what had been asked for."""

from datetime import UTC, datetime

import httpx2
import pytest

from domain.reply import ErrorCode
from providers.http.failures import HttpFailure, Step, of_status, of_transport, retry_after_s
from providers.http.transport import operation_of
from providers.protocol import (
    AccountRefused,
    ContentRefused,
    JobNotVisible,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    Throttled,
)

READ, JOB, CALL, CREATE = Step.READ, Step.JOB, Step.CALL, Step.CREATE


@pytest.mark.parametrize(
    ("status", "step", "expected"),
    [
        (400, CREATE, ProviderDown),  # it names no line: nothing is said of the content
        (422, CREATE, ProviderDown),
        (400, READ, ProviderDown),
        (400, CALL, ContentRefused),
        (413, CREATE, ContentRefused),
        (413, READ, ContentRefused),  # an upload that is too large
        (422, CALL, ContentRefused),
        (400, JOB, JobNotVisible),
        (401, JOB, JobNotVisible),
        (403, JOB, JobNotVisible),
        (404, JOB, JobNotVisible),
        (401, CREATE, AccountRefused),
        (403, CALL, AccountRefused),
        (401, READ, AccountRefused),
        (404, CREATE, AccountRefused),
        (405, READ, AccountRefused),
        (404, CALL, AccountRefused),
        (408, CREATE, ProviderDown),
        (409, CREATE, ProviderDown),
        (429, CREATE, Throttled),
        (429, CALL, Throttled),
        (429, JOB, Throttled),
        (529, CREATE, Throttled),
        (500, CREATE, OutcomeUnknown),
        (502, CREATE, OutcomeUnknown),
        (503, CREATE, OutcomeUnknown),
        (500, CALL, ProviderDown),
        (502, CALL, OutcomeUnknown),
        (504, CALL, OutcomeUnknown),
        (500, JOB, ProviderDown),
        (503, READ, ProviderDown),
    ],
)
def test_a_status(status: int, step: Step, expected: type[ProviderError]) -> None:
    assert type(of_status(HttpFailure(status), step)) is expected


@pytest.mark.parametrize(
    ("message", "param", "content"),
    [
        ("requests.3.params.max_tokens: Field required", "", True),
        ("requests.0.custom_id: custom_id must be unique within a batch", "", True),
        ("", "requests[12].params", True),
        ("The request on line 17 is not valid.", "", True),
        ("Row 4: custom_id is missing", "", True),
        ("Cannot find file file-abc123.", "input_file_id", False),
        ("We could not parse the JSON body of your request.", "", False),
        ("Expecting value: line 1 column 1 (char 0)", "", False),
        ("Expecting value: line 12, col 3", "", False),
        ("Request 1234 failed", "", False),
        ("request_id: req_011", "", False),
        ("requests: at least one request is required", "", False),
        ("The deadline 30 passed, an outline 5 is there", "", False),
        ("", "", False),
    ],
)
def test_only_a_refusal_that_names_a_row_speaks_of_the_content(message: str, param: str, content: bool) -> None:
    error = of_status(HttpFailure(400, message=message, param=param), CREATE)
    assert type(error) is (ContentRefused if content else ProviderDown)


@pytest.mark.parametrize(
    "failure",
    [
        HttpFailure(429, "rate_limit_error", "enforced_spend_limit_reached"),
        HttpFailure(429, "insufficient_quota", "insufficient_quota"),
        HttpFailure(402),
        HttpFailure(403, "billing_error"),
        HttpFailure(400, "invalid_request_error", "", "Your credit balance is too low to access the API."),
        HttpFailure(400, "invalid_request_error", "billing_hard_limit_reached"),
    ],
)
@pytest.mark.parametrize("step", list(Step))
def test_no_money_left_is_the_accounts_fault_whatever_the_status(failure: HttpFailure, step: Step) -> None:
    error = of_status(failure, step)
    assert isinstance(error, AccountRefused)
    assert error.code == ErrorCode.QUOTA_EXCEEDED


def test_a_bad_key_and_a_wrong_address_have_codes_of_their_own() -> None:
    codes = [of_status(HttpFailure(status), CREATE) for status in (401, 404)]
    assert [code.code for code in codes if isinstance(code, AccountRefused)] == ["AUTHENTICATION_ERROR", "CONFIGURATION_ERROR"]


def test_an_unknown_model_is_the_requests_fault() -> None:
    assert type(of_status(HttpFailure(404, "not_found_error"), CALL)) is ContentRefused


def test_a_503_that_says_overloaded_did_nothing() -> None:
    error = of_status(HttpFailure(503, "server_error", "", "The engine is currently overloaded", 4.0), CREATE)
    assert isinstance(error, Throttled)
    assert error.retry_after_s == 4.0


@pytest.mark.parametrize(
    ("cause", "step", "expected"),
    [
        (httpx2.ConnectError("refused"), CREATE, ProviderDown),
        (httpx2.ConnectTimeout("slow"), CALL, ProviderDown),
        (httpx2.PoolTimeout("no connection free"), CREATE, ProviderDown),
        (httpx2.ReadTimeout("no answer"), CREATE, OutcomeUnknown),
        (httpx2.ReadError("reset"), CALL, OutcomeUnknown),
        (httpx2.WriteError("reset"), CREATE, OutcomeUnknown),
        (httpx2.RemoteProtocolError("closed"), CREATE, OutcomeUnknown),
        (None, CREATE, OutcomeUnknown),
        (httpx2.ReadTimeout("no answer"), JOB, ProviderDown),
        (httpx2.RemoteProtocolError("died midway"), READ, ProviderDown),
    ],
)
def test_a_broken_connection(cause: Exception | None, step: Step, expected: type[ProviderError]) -> None:
    assert type(of_transport(cause, step)) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, datetime(2026, 11, 23, 12, tzinfo=UTC)) == expected


def test_messages_are_cut() -> None:
    assert len(str(of_status(HttpFailure(400, "t", "c", "x" * 5000), CREATE))) < 350


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/messages", "messages.create"),
        ("POST", "/v1/messages/batches", "batches.create"),
        ("GET", "/v1/messages/batches/msgbatch_1", "batches.retrieve"),
        ("GET", "/v1/messages/batches/msgbatch_1/results", "batches.results"),
        ("GET", "/proxy/openai/v1/files/file-9/content", "files.content"),
        ("GET", "/v1/batches", "batches.list"),
        ("GET", "/v1/batches/batches", "batches.retrieve"),
        ("POST", "/v1/chat/completions", "chat.completions.create"),
        ("POST", "/v1beta/models/gemini-3.8-flash:generateContent", "models.generate_content"),
        ("POST", "/gateway/v1beta/models/a%2Fb:batchGenerateContent", "batches.create"),
        ("GET", "/v1beta/batches", "batches.list"),
        ("GET", "/v1beta/batches/b1", "batches.retrieve"),
        ("POST", "/v1beta/batches/b1:cancel", "batches.cancel"),
        ("POST", "/upload/v1beta/files", "files.create"),
        ("DELETE", "/v1beta/files/f1", "files.delete"),
        ("GET", "/download/v1beta/files/f1:download", "files.content"),
        ("GET", "/v1beta/files/f1:secret", "other"),
        ("GET", "/secret-path/with-an-id", "other"),
    ],
)
def test_operations_are_named_without_ids(method: str, path: str, expected: str) -> None:
    assert operation_of(method, path) == expected
