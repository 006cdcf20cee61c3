"""Replies: what follows from how a line ended at the provider."""

import pytest

from domain.answer import Answer
from domain.reply import Cause, ErrorCode, Fault, Reply, ReplyKind, Retry, Stop, judge

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
    [errored("invalid_request_error"), errored("not_found_error", 404), errored("request_too_large"), errored("", 400)]
    + [errored("unheard_of", status) for status in (400, 404, 413, 422)],
)
def test_what_is_final(reply: Reply) -> None:
    said = judge(reply)
    assert isinstance(said, Fault)
    assert said.code is ErrorCode.INVALID_REQUEST
    assert len(said.details["provider_error_message"]) == 500
    assert said.details.get("http_status") == (None if reply.http_status is None else str(reply.http_status))


@pytest.mark.parametrize("stop", [Stop.REFUSAL, Stop.CUT])
def test_a_refusal_or_a_cut_is_no_answer_even_if_its_text_reads_as_one(stop: Stop) -> None:
    assert isinstance(judge(succeeded(stop=stop)), Retry)


def test_what_a_reply_quotes_can_be_written_as_utf_8() -> None:
    said = judge(Reply("id", ReplyKind.ERRORED, error_type="bad\ud800", error_message="lone \ud83d", http_status=400))
    assert isinstance(said, Fault)
    (said.message + str(said.details)).encode()
    again = judge(Reply("id", ReplyKind.ERRORED, error_type="odd\ud800", http_status=500))
    assert isinstance(again, Retry)
    again.message.encode()
