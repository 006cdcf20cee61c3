"""Result rows and batch states of both providers, odd ones included, as replies and statuses."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.answer import Answer
from domain.reply import Cause, ErrorCode, Fault, Reply, ReplyKind, Retry, Stop, judge
from providers.anthropic import wire as anthropic_wire
from providers.http.jsonl import read_replies
from providers.openai import wire as openai_wire
from providers.protocol import FailedBy, JobPhase

ANSWER = '{"winner": "Essay B", "justification": "Clearer.", "confidence": 4}'


def message(**changes: Any) -> dict[str, Any]:
    return {
        "model": "claude-haiku-5-5",
        "content": [{"type": "thinking", "thinking": "…"}, {"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 100,
            "cache_creation_input_tokens": 20,
            "cache_read_input_tokens": 3000,
            "output_tokens": 50,
        },
        **changes,
    }


def anthropic_row(result: Any, custom_id: Any = "job-0") -> Reply | None:
    return anthropic_wire.reply_of_row({"custom_id": custom_id, "result": result})


def anthropic_error(error_type: str, text: str = "no") -> Reply | None:
    return anthropic_row({"type": "errored", "error": {"type": "error", "error": {"type": error_type, "message": text}}})


def completion(finish_reason: str = "stop", content: str | None = ANSWER, refusal: str | None = None) -> dict[str, Any]:
    return {
        "model": "gpt-6-luna",
        "choices": [{"finish_reason": finish_reason, "message": {"content": content, "refusal": refusal}}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 512}},
    }


def openai_row(status: Any = 200, body: Any = None, error: Any = None, custom_id: Any = "job-0") -> Reply | None:
    response = None if status is None else {"status_code": status, "request_id": "r", "body": body}
    return openai_wire.reply_of_row({"custom_id": custom_id, "response": response, "error": error})


def openai_error(status: int, error_type: str, code: str | None = None) -> Reply | None:
    return openai_row(status, {"error": {"type": error_type, "code": code, "message": "no", "param": None}})


def judged(reply: Reply | None) -> Answer | Retry | Fault:
    assert reply is not None
    return judge(reply)


def test_a_message_counts_its_whole_input() -> None:
    reply = anthropic_row({"type": "succeeded", "message": message()})
    assert reply is not None
    assert judge(reply) == Answer("Essay B", "Clearer.", 4.0)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (3120, 50)
    assert (reply.usage.cache_read_tokens, reply.usage.cache_creation_tokens) == (3000, 20)
    assert reply.usage.raw == message()["usage"]
    assert reply.model == "claude-haiku-5-5"


def test_a_completion_counts_its_whole_input() -> None:
    reply = openai_row(200, completion())
    assert reply is not None
    assert judge(reply) == Answer("Essay B", "Clearer.", 4.0)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.cache_read_tokens) == (900, 50, 512)
    assert (reply.model, reply.http_status) == ("gpt-6-luna", 200)


@pytest.mark.parametrize(
    ("reply", "stop"),
    [
        (anthropic_row({"type": "succeeded", "message": message(stop_reason="refusal", content=[])}), Stop.REFUSAL),
        (anthropic_row({"type": "succeeded", "message": message(stop_reason="max_tokens")}), Stop.CUT),
        (anthropic_row({"type": "succeeded", "message": message(stop_reason="model_context_window_exceeded")}), Stop.CUT),
        (openai_row(200, completion(content=None, refusal="I cannot.")), Stop.REFUSAL),
        (openai_row(200, completion("content_filter")), Stop.REFUSAL),
        (openai_row(200, completion("length")), Stop.CUT),
    ],
)
def test_refused_and_cut_answers_are_paid_and_unusable(reply: Reply | None, stop: Stop) -> None:
    assert reply is not None
    assert (reply.kind, reply.stop) == (ReplyKind.SUCCEEDED, stop)
    assert reply.usage.completion_tokens == 50
    outcome = judge(reply)
    assert isinstance(outcome, Retry)
    assert outcome.cause is Cause.UNUSABLE


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (anthropic_row({"type": "expired"}), Cause.EXPIRED),
        (anthropic_row({"type": "canceled"}), Cause.CANCELED),
        (anthropic_error("invalid_request_error"), Cause.REFUSED_ALONE),
        (anthropic_error("request_too_large"), ErrorCode.INVALID_REQUEST),
        (anthropic_error("overloaded_error"), Cause.OVERLOADED),
        (anthropic_error("api_error"), Cause.OVERLOADED),
        (anthropic_error("rate_limit_error"), Cause.OVERLOADED),
        (anthropic_error("authentication_error"), Cause.REFUSED_ACCOUNT),
        (anthropic_error("invalid_request_error", "Your credit balance is too low."), Cause.REFUSED_ACCOUNT),
        (anthropic_row({"type": "errored", "error": {"type": "api_error", "message": "flat"}}), Cause.OVERLOADED),
        (anthropic_row({"type": "errored", "error": None}), Cause.OVERLOADED),
        (openai_row(None, None, {"code": "batch_expired", "message": "late"}), Cause.EXPIRED),
        (openai_row(None, None, {"code": "batch_cancelled", "message": "stopped"}), Cause.CANCELED),
        (openai_row(None, None, {"code": "internal", "message": "?"}), Cause.OVERLOADED),
        (openai_row(0, {}), Cause.OVERLOADED),
        (openai_row(0, None), Cause.OVERLOADED),
        (openai_row(200, None), Cause.OVERLOADED),
        (openai_row(None, None, None), Cause.OVERLOADED),
        (openai_row("200", completion()), Cause.OVERLOADED),
        (openai_error(400, "invalid_request_error", "context_length_exceeded"), Cause.REFUSED_ALONE),
        (openai_error(404, "invalid_request_error", "model_not_found"), ErrorCode.INVALID_REQUEST),
        (openai_error(401, "invalid_request_error", "invalid_api_key"), Cause.REFUSED_ACCOUNT),
        (openai_error(403, "invalid_request_error"), Cause.REFUSED_ACCOUNT),
        (openai_error(429, "requests", "rate_limit_exceeded"), Cause.OVERLOADED),
        (openai_error(429, "insufficient_quota", "insufficient_quota"), Cause.REFUSED_ACCOUNT),
        (openai_error(400, "invalid_request_error", "billing_hard_limit_reached"), Cause.REFUSED_ACCOUNT),
        (openai_error(500, "server_error"), Cause.OVERLOADED),
        (openai_row(502, "<html>"), Cause.OVERLOADED),
    ],
)
def test_what_follows_from_a_row_that_did_not_succeed(reply: Reply | None, expected: Cause | ErrorCode) -> None:
    outcome = judged(reply)
    if isinstance(expected, Cause):
        assert isinstance(outcome, Retry)
        assert outcome.cause is expected
    else:
        assert isinstance(outcome, Fault)
        assert outcome.code is expected


def test_a_throttled_row_ends_as_a_rate_limit() -> None:
    for reply in (anthropic_error("rate_limit_error"), openai_error(429, "tokens", "rate_limit_exceeded")):
        outcome = judged(reply)
        assert isinstance(outcome, Retry)
        assert outcome.code is ErrorCode.RATE_LIMIT


@pytest.mark.parametrize(
    "reply",
    [
        anthropic_row({"type": "succeeded"}),
        anthropic_row({"type": "succeeded", "message": {"content": "text", "usage": [], "model": 7}}),
        anthropic_row({"type": "succeeded", "message": message(content=[None, {"type": "text", "text": None}])}),
        openai_row(200, {"choices": [], "usage": {"prompt_tokens": -3, "completion_tokens": 1.5}}),
        openai_row(200, {"choices": [{"message": None}]}),
        openai_row(200, completion(content=None)),
    ],
)
def test_a_success_without_an_answer_is_unusable(reply: Reply | None) -> None:
    assert reply is not None
    assert reply.usage.completion_tokens in (0, 50)
    outcome = judge(reply)
    assert isinstance(outcome, Retry)
    assert outcome.cause is Cause.UNUSABLE


@pytest.mark.parametrize(
    "reply",
    [
        anthropic_row({"type": "expired"}, custom_id=None),
        anthropic_row({"type": "expired"}, custom_id=7),
        anthropic_row({"type": "postponed"}),
        anthropic_row(None),
        anthropic_wire.reply_of_row({}),
        openai_row(200, completion(), custom_id=""),
        openai_wire.reply_of_row({}),
    ],
)
def test_a_row_that_tells_nothing_is_no_reply(reply: Reply | None) -> None:
    assert reply is None


def expired_line(custom_id: str) -> bytes:
    return json.dumps({"custom_id": custom_id, "result": {"type": "expired"}}, ensure_ascii=False).encode()


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 100_000])
async def test_lines_end_at_newlines_only_and_an_odd_one_loses_nothing_else(chunk_bytes: int) -> None:
    lines = [
        expired_line("first"),
        b"{not json",
        "\ufeff\xff".encode("latin-1", "ignore") + b"\xff\xfe",
        b"",
        b"[1, 2]",
        b"[" * 50_000,
        expired_line("with\u2028separator\u0085"),
        b'{"custom_id": null}',
        expired_line("first") + b"\r",
        expired_line("last, without a newline"),
    ]
    content = b"\n".join(lines)
    odd: list[tuple[int, int]] = []

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), chunk_bytes):
            yield content[start : start + chunk_bytes]

    replies = read_replies(chunks(), anthropic_wire.reply_of_row, lambda line, size: odd.append((line, size)))
    ids = [reply.custom_id async for reply in replies]
    assert ids == ["first", "with\u2028separator\u0085", "first", "last, without a newline"]
    assert [line for line, _ in odd] == [2, 3, 5, 6, 8]


def batch(status: str, completed: int = 0, failed: int = 0, **more: Any) -> dict[str, Any]:
    counts = {"total": 12, "completed": completed, "failed": failed}
    return {"status": status, "request_counts": counts, f"{status}_at": 1000, **more}


OUTPUT: dict[str, Any] = {"output_file_id": "file-o"}
ERRORS: dict[str, Any] = {"error_file_id": "file-e"}


@pytest.mark.parametrize(
    ("value", "phase"),
    [
        (batch("validating"), JobPhase.RUNNING),
        (batch("in_progress", 3), JobPhase.RUNNING),
        (batch("finalizing", 12), JobPhase.RUNNING),
        (batch("cancelling", 3), JobPhase.RUNNING),
        (batch("a state of next year"), JobPhase.RUNNING),
        (batch("completed", 12, **OUTPUT), JobPhase.ENDED),
        (batch("completed", 0, 12, **ERRORS), JobPhase.ENDED),  # every row failed: there is no output file
        (batch("completed", 10, 2, **OUTPUT, **ERRORS), JobPhase.ENDED),
        (batch("completed", 12), JobPhase.RUNNING),
        (batch("completed", 10, 2, **ERRORS), JobPhase.RUNNING),  # ten paid rows would be taken for missing
        (batch("completed", 10, 2, **OUTPUT), JobPhase.RUNNING),
        (batch("completed"), JobPhase.RUNNING),
        (batch("expired", 5, 7), JobPhase.RUNNING),
        (batch("expired", 5, 7, **OUTPUT), JobPhase.ENDED),
        (batch("expired"), JobPhase.ENDED),
        (batch("cancelled", 5), JobPhase.RUNNING),
        (batch("cancelled"), JobPhase.ENDED),
        ({"status": "completed", "request_counts": {"completed": 3}}, JobPhase.RUNNING),
    ],
)
def test_an_openai_batch_has_ended_when_its_files_are_there(value: dict[str, Any], phase: JobPhase) -> None:
    assert openai_wire.status_of(value, now_s=1010).phase is phase


def test_a_file_that_never_comes_is_waited_for_ten_minutes() -> None:
    value = batch("completed", 12)
    early = openai_wire.status_of(value, now_s=1599)
    assert (early.phase, early.detail, early.answered) == (JobPhase.RUNNING, "completed, file not there yet", 12)
    assert openai_wire.status_of(value, now_s=1600).phase is JobPhase.ENDED


@pytest.mark.parametrize(
    ("errors", "failure", "failed_by"),
    [
        ([{"code": "token_limit_exceeded"}], "token_limit_exceeded", FailedBy.ACCOUNT),
        ([{"code": "too_many_tasks"}], "too_many_tasks", FailedBy.ACCOUNT),
        ([{"code": "billing_hard_limit_reached"}], "billing_hard_limit_reached", FailedBy.ACCOUNT),
        (
            [{"code": "invalid_json_line", "line": 3}, {"code": "token_limit_exceeded"}],
            "token_limit_exceeded",
            FailedBy.ACCOUNT,
        ),
        ([{"code": "invalid_json_line", "line": 3}, {"code": "mismatched_model"}], "invalid_json_line", FailedBy.CONTENT),
        ([{"code": "server_error"}, {"code": "model_mismatch", "line": 2}], "model_mismatch", FailedBy.CONTENT),
        ([{"code": "a code of next year", "line": 1}], "a code of next year", FailedBy.CONTENT),
        ([{"code": "invalid_request", "message": "Line 7 has no body."}], "invalid_request", FailedBy.CONTENT),
        ([{"code": "invalid_json_line", "line": None}], "invalid_json_line", FailedBy.PROVIDER),
        ([{"code": "empty_file"}], "empty_file", FailedBy.PROVIDER),  # ours never is: it could not be read there
        ([{"code": "server_error", "message": "The server had an error."}], "server_error", FailedBy.PROVIDER),
        ([{"code": "a code of next year"}], "a code of next year", FailedBy.PROVIDER),
        ([{"code": None}], "unknown", FailedBy.PROVIDER),
        ([], "unknown", FailedBy.PROVIDER),
        (None, "unknown", FailedBy.PROVIDER),
    ],
)
def test_a_failed_validation_says_who_is_at_fault(errors: Any, failure: str, failed_by: FailedBy) -> None:
    status = openai_wire.status_of({"status": "failed", "errors": {"data": errors}}, now_s=0)
    assert (status.phase, status.failure, status.failed_by) == (JobPhase.FAILED, failure, failed_by)


@pytest.mark.parametrize(
    ("value", "phase"),
    [
        ({"processing_status": "in_progress"}, JobPhase.RUNNING),
        ({"processing_status": "canceling"}, JobPhase.RUNNING),
        ({"processing_status": "ended", "results_url": "http://x"}, JobPhase.ENDED),
        ({"processing_status": "ended", "results_url": None}, JobPhase.RUNNING),
        ({"processing_status": "ended", "results_url": None, "ended_at": "1970-01-01T00:16:40Z"}, JobPhase.RUNNING),
        ({"processing_status": "ended", "results_url": None, "ended_at": "1970-01-01T00:06:40Z"}, JobPhase.ENDED),
    ],
)
def test_an_anthropic_batch(value: dict[str, Any], phase: JobPhase) -> None:
    assert anthropic_wire.status_of(value, now_s=1010).phase is phase
