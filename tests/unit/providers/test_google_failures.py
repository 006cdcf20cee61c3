"""Which failure a refusal of the Gemini API is, by what had been asked for."""

from typing import Any

import httpx2
import pytest

from domain.reply import ErrorCode
from providers.google.failures import REST
from providers.http.failures import Step, mapped
from providers.protocol import (
    AccountRefused,
    ContentRefused,
    JobNotVisible,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    Throttled,
)


def failed(status: int, step: Step, body: Any, headers: dict[str, str] | None = None) -> ProviderError:
    response = httpx2.Response(status, json=body, headers=headers, request=httpx2.Request("POST", "http://provider/"))
    with pytest.raises(ProviderError) as caught, mapped(step, REST):
        response.raise_for_status()
    return caught.value


def error(status: int, word: str, message: str = "It is so.", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": word, "details": list(details)}}


def reason(word: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word, "domain": "googleapis.com"}


def quota(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": name}]}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22.5s"}
HELP = {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "https://ai.google.dev"}]}
MINUTE = quota("GenerateRequestsPerMinutePerProjectPerModel")
DAY = quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
PROJECTS_DAY = quota("GenerateRequestsPerDayPerProject")
WORK = (Step.CALL, Step.CREATE, Step.READ)


@pytest.mark.parametrize("step", WORK)
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, error(400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID")), ErrorCode.AUTHENTICATION_ERROR),
        (400, error(400, "FAILED_PRECONDITION", "Please enable billing."), ErrorCode.QUOTA_EXCEEDED),
        (400, error(400, "FAILED_PRECONDITION", "User location is not supported."), ErrorCode.CONFIGURATION_ERROR),
        (401, error(401, "UNAUTHENTICATED"), ErrorCode.AUTHENTICATION_ERROR),
        (403, error(403, "PERMISSION_DENIED"), ErrorCode.AUTHENTICATION_ERROR),
        (402, error(402, "PAYMENT_REQUIRED"), ErrorCode.QUOTA_EXCEEDED),
        (429, error(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), ErrorCode.QUOTA_EXCEEDED),
    ],
)
def test_what_speaks_of_the_account(step: Step, status: int, body: Any, code: ErrorCode) -> None:
    refused = failed(status, step, body)
    assert isinstance(refused, AccountRefused)
    assert refused.code == code
    assert refused.certain is (status != 403)  # a permission may be missing for one model alone


def test_on_a_look_at_a_known_batch_a_refusal_only_hides_it() -> None:
    invalid = error(400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID"))
    for status, body in ((400, invalid), (401, {}), (403, {}), (404, error(404, "NOT_FOUND"))):
        assert type(failed(status, Step.JOB, body)) is JobNotVisible


class TestQuota:
    @pytest.mark.parametrize("step", [*WORK, Step.JOB])
    def test_a_minutes_quota_is_waited_for(self, step: Step) -> None:
        refused = failed(429, step, error(429, "RESOURCE_EXHAUSTED", "Quota.", MINUTE, HELP, RETRY))
        assert isinstance(refused, Throttled)
        assert refused.retry_after_s == 22.5

    @pytest.mark.parametrize("step", WORK)
    @pytest.mark.parametrize(("violated", "certain"), [(DAY, False), (PROJECTS_DAY, True)])
    def test_a_days_quota_is_the_accounts(self, step: Step, violated: dict[str, Any], certain: bool) -> None:
        refused = failed(429, step, error(429, "RESOURCE_EXHAUSTED", "Quota.", violated, RETRY))
        assert isinstance(refused, AccountRefused)
        assert (refused.code, refused.certain) == (ErrorCode.QUOTA_EXCEEDED, certain)

    def test_a_full_batch_queue_is_the_accounts_and_not_all_of_it(self) -> None:
        refused = failed(429, Step.CREATE, error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", HELP))
        assert isinstance(refused, AccountRefused)
        assert not refused.certain

    @pytest.mark.parametrize("step", [Step.CALL, Step.READ, Step.JOB])
    def test_one_that_does_not_say_which_is_waited_for(self, step: Step) -> None:
        said = failed(429, step, error(429, "RESOURCE_EXHAUSTED", "plan and billing details", HELP), {"retry-after": "7"})
        assert isinstance(said, Throttled)
        assert said.retry_after_s == 7.0
        assert isinstance(failed(429, step, []), Throttled)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_create_that_a_server_failed_at_may_have_made_a_batch(status: int) -> None:
    assert type(failed(status, Step.CREATE, error(status, "UNAVAILABLE", "The model is overloaded."))) is OutcomeUnknown


@pytest.mark.parametrize(
    ("status", "word", "message", "expected"),
    [
        (500, "INTERNAL", "Internal.", ProviderDown),
        (503, "UNAVAILABLE", "The model is overloaded.", Throttled),
        (503, "UNAVAILABLE", "The service is unavailable.", ProviderDown),
        (504, "DEADLINE_EXCEEDED", "Deadline.", OutcomeUnknown),
        (400, "INVALID_ARGUMENT", "Request contains an invalid argument.", ContentRefused),
        (404, "NOT_FOUND", "models/x is not found", ContentRefused),
        (413, "", "Too large", ContentRefused),
    ],
)
def test_a_call(status: int, word: str, message: str, expected: type[ProviderError]) -> None:
    assert type(failed(status, Step.CALL, error(status, word, message))) is expected


@pytest.mark.parametrize(
    ("status", "word", "message", "expected"),
    [
        (400, "INVALID_ARGUMENT", "Request contains an invalid argument.", ProviderDown),
        (400, "INVALID_ARGUMENT", "line 3: no contents", ContentRefused),
        (400, "INVALID_ARGUMENT", "Line 3 of the file is not valid.", ContentRefused),
        (400, "FAILED_PRECONDITION", "The File files/x is not in an ACTIVE state.", ProviderDown),
        (403, "PERMISSION_DENIED", "You do not have permission to access the File x or it may not exist.", ProviderDown),
        (404, "NOT_FOUND", "File not found.", ProviderDown),
        (404, "NOT_FOUND", "models/x is not found", AccountRefused),
        (302, "", "", AccountRefused),
    ],
)
def test_a_create(status: int, word: str, message: str, expected: type[ProviderError]) -> None:
    assert type(failed(status, Step.CREATE, error(status, word, message))) is expected


@pytest.mark.parametrize(
    "body", [None, [], [[]], "x", {"error": "x"}, {"error": {"code": "x", "details": [7, {"violations": "y"}]}}]
)
def test_a_body_of_another_shape_is_read_as_far_as_it_goes(body: Any) -> None:
    assert type(failed(500, Step.CALL, body)) is ProviderDown


def test_an_error_in_a_list_as_streaming_methods_wrap_it() -> None:
    refused = failed(400, Step.CALL, [error(400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID"))])
    assert isinstance(refused, AccountRefused)


def test_the_words_of_a_refusal() -> None:
    refused = failed(400, Step.CALL, error(400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID")))
    assert str(refused) == "HTTP 400 INVALID_ARGUMENT API_KEY_INVALID: API key not valid."
