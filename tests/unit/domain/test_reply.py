"""Replies: what follows from how a line ended at the provider."""

import pytest
from msgspec.structs import replace

from domain.answer import Answer
from domain.reply import Cause, ErrorCode, Fault, Reply, ReplyKind, Retry, Stop, judge, judge_bundle

TEXT = '{"winner": "Essay A", "justification": "clearer", "confidence": 3}'


def succeeded(text: str = TEXT, stop: Stop = Stop.END) -> Reply:
    return Reply("id", ReplyKind.SUCCEEDED, text=text, stop=stop)


def errored(error_type: str = "", status: int | None = None) -> Reply:
    return Reply("id", ReplyKind.ERRORED, error_type=error_type, error_message="m" * 2_000, http_status=status)


def test_an_answer() -> None:
    assert judge(succeeded()) == Answer("Essay A", "clearer", 3.0)


@pytest.mark.parametrize(
    ("reply", "cause", "code"),
    [
        (Reply("id", ReplyKind.EXPIRED), Cause.EXPIRED, ErrorCode.TIMEOUT),
        (Reply("id", ReplyKind.CANCELED), Cause.CANCELED, ErrorCode.SERVICE_UNAVAILABLE),
        (succeeded(stop=Stop.REFUSAL), Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE),
        (succeeded(stop=Stop.CUT), Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE),
        (succeeded("no json"), Cause.UNUSABLE, ErrorCode.PARSING_ERROR),
        (succeeded("[" * 100_000), Cause.UNUSABLE, ErrorCode.PARSING_ERROR),
        (succeeded('{"winner": "tie"}'), Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE),
        (errored("overloaded_error", 529), Cause.OVERLOADED, ErrorCode.EXTERNAL_SERVICE_ERROR),
        (errored("rate_limit_error", 429), Cause.OVERLOADED, ErrorCode.RATE_LIMIT),
        (errored("api_error", 500), Cause.OVERLOADED, ErrorCode.EXTERNAL_SERVICE_ERROR),
        (errored(), Cause.OVERLOADED, ErrorCode.EXTERNAL_SERVICE_ERROR),
        (errored("something_new"), Cause.OVERLOADED, ErrorCode.EXTERNAL_SERVICE_ERROR),
        (errored("authentication_error", 401), Cause.REFUSED_ACCOUNT, ErrorCode.AUTHENTICATION_ERROR),
        (errored("permission_error"), Cause.REFUSED_ACCOUNT, ErrorCode.AUTHENTICATION_ERROR),
        (errored("", 403), Cause.REFUSED_ACCOUNT, ErrorCode.AUTHENTICATION_ERROR),
        (errored("insufficient_quota", 429), Cause.REFUSED_ACCOUNT, ErrorCode.QUOTA_EXCEEDED),
        (errored("billing_error"), Cause.REFUSED_ACCOUNT, ErrorCode.QUOTA_EXCEEDED),
    ],
)
def test_what_is_asked_again(reply: Reply, cause: Cause, code: ErrorCode) -> None:
    said = judge(reply)
    assert isinstance(said, Retry)
    assert (said.cause, said.code) == (cause, code)
    assert said.message


@pytest.mark.parametrize(
    "reply",
    [errored("not_found_error", 404), errored("request_too_large"), errored("unheard_of", 404), errored("unheard_of", 413)],
)
def test_what_is_final(reply: Reply) -> None:
    said = judge(reply)
    assert isinstance(said, Fault)
    assert_told(said, reply)


@pytest.mark.parametrize(
    "reply",
    [errored("invalid_request_error"), errored("invalid_request_error", 405), errored("", 400), errored("unheard_of", 422)],
)
def test_a_refused_request_may_be_spurious(reply: Reply) -> None:
    said = judge(reply)
    assert isinstance(said, Retry)
    assert said.cause is Cause.REFUSED_ALONE
    assert_told(said, reply)
    assert [isinstance(one, Retry) and one.cause for one in judge_bundle(reply, 2)] == [Cause.REFUSED_CONTENT] * 2


@pytest.mark.parametrize("size", [1, 3])
def test_a_parameter_that_the_model_does_not_take_is_no_fault_of_the_content(size: int) -> None:
    reply = replace(errored("invalid_request_error", 400), parameter="temperature")
    for said in judge_bundle(reply, size):
        assert isinstance(said, Retry)
        assert said.cause is Cause.PARAMETER
        assert said.message.endswith("the model takes no temperature")


def assert_told(said: Fault | Retry, reply: Reply) -> None:
    assert said.code is ErrorCode.INVALID_REQUEST
    assert len(said.details["provider_error_message"]) == 500
    assert said.details.get("http_status") == (None if reply.http_status is None else str(reply.http_status))


@pytest.mark.parametrize("stop", [Stop.REFUSAL, Stop.CUT])
def test_a_refusal_or_a_cut_is_no_answer_even_if_its_text_reads_as_one(stop: Stop) -> None:
    assert isinstance(judge(succeeded(stop=stop)), Retry)


def test_what_a_reply_quotes_can_be_written_as_utf_8() -> None:
    said = judge(Reply("id", ReplyKind.ERRORED, error_type="bad\ud800", error_message="lone \ud83d", http_status=400))
    assert isinstance(said, Retry)
    (said.message + str(said.details)).encode()
    again = judge(Reply("id", ReplyKind.ERRORED, error_type="odd\ud800", http_status=500))
    assert isinstance(again, Retry)
    again.message.encode()
