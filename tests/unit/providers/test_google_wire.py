"""What the Gemini API sends: answers, rows, operations."""

from typing import Any

import pytest

from domain.answer import Answer
from domain.reply import Cause, ErrorCode, Fault, ReplyKind, Retry, Stop, judge, judge_bundle
from providers.google import wire
from providers.http.results import LAG_S, Announced, Read, objection
from providers.protocol import FailedBy, JobPhase

TEXT = '{"winner": "Essay A", "justification": "Clearer.", "confidence": 4}'
NOW_S = 1_800_000_000.0
ENDED = "2027-01-15T08:00:00Z"  # NOW_S


def response(finish: str = "STOP", text: str = TEXT, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}
    return {"candidates": [candidate], "modelVersion": "gemini-3.8-flash", "responseId": "r", **more}


class TestAnswers:
    def test_an_answer_with_what_it_used(self) -> None:
        usage = {
            "promptTokenCount": 2_400,
            "cachedContentTokenCount": 400,
            "candidatesTokenCount": 60,
            "thoughtsTokenCount": 700,
        }
        reply = wire.reply_of_response("c", response(usageMetadata=usage))
        assert judge(reply) == Answer("Essay A", "Clearer.", 4.0)
        assert (reply.model, reply.stop, reply.http_status) == ("gemini-3.8-flash", Stop.END, 200)
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.cache_read_tokens) == (2_400, 760, 400)
        assert reply.usage.raw == usage

    def test_counts_of_zero_are_absent(self) -> None:
        usage = wire.reply_of_response("c", response(usageMetadata={"promptTokenCount": 9})).usage
        assert (usage.prompt_tokens, usage.completion_tokens, usage.cache_read_tokens) == (9, 0, 0)

    def test_thoughts_are_no_part_of_the_answer_and_parts_are_joined(self) -> None:
        made = response()
        made["candidates"][0]["content"]["parts"] = [{"text": "Hm.", "thought": True}, {"text": TEXT[:9]}, {"text": TEXT[9:]}]
        assert isinstance(judge(wire.reply_of_response("c", made)), Answer)

    def test_thoughts_that_left_no_room_are_an_answer_cut_short(self) -> None:
        made = {"candidates": [{"finishReason": "MAX_TOKENS"}], "usageMetadata": {"thoughtsTokenCount": 400}}
        reply = wire.reply_of_response("c", made)
        assert (reply.stop, reply.text, reply.usage.completion_tokens) == (Stop.CUT, "", 400)
        assert [one.cause for one in judge_bundle(reply, 2) if isinstance(one, Retry)] == [Cause.CUT] * 2

    @pytest.mark.parametrize("reason", ["SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"])
    def test_a_refusal_says_why(self, reason: str) -> None:
        verdict = judge(wire.reply_of_response("c", response(reason)))
        assert isinstance(verdict, Retry)
        assert verdict.message == f"the model refused to compare the essays ({reason})"
        refused = judge_bundle(wire.reply_of_response("c", response(reason)), 2)
        assert [one.cause for one in refused if isinstance(one, Retry)] == [Cause.BUNDLE_REFUSED] * 2

    def test_a_blocked_prompt_is_a_refusal_too(self) -> None:
        reply = wire.reply_of_response("c", {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
        assert reply.stop is Stop.REFUSAL
        verdict = judge(reply)
        assert isinstance(verdict, Retry)
        assert verdict.message == "the model refused to compare the essays (prompt blocked: PROHIBITED_CONTENT)"

    @pytest.mark.parametrize("reason", ["RECITATION", "MALFORMED_RESPONSE", "OTHER", "A_WORD_OF_2027", "", None])
    def test_what_ends_for_another_reason_is_no_answer_whatever_its_text(self, reason: Any) -> None:
        reply = wire.reply_of_response("c", response(reason))
        assert reply.stop is Stop.BROKEN
        verdict = judge(reply)
        assert isinstance(verdict, Retry)
        assert (verdict.cause, verdict.code) == (Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE)
        assert (reason or "no finish reason") in verdict.message
        assert [one.cause for one in judge_bundle(reply, 2) if isinstance(one, Retry)] == [Cause.UNUSABLE] * 2

    @pytest.mark.parametrize("body", [{}, {"candidates": []}, {"candidates": None}, {"candidates": ["x"]}])
    def test_no_candidate_is_no_answer(self, body: dict[str, Any]) -> None:
        reply = wire.reply_of_response("c", body)
        assert (reply.stop, reply.stop_reason) == (Stop.BROKEN, "no candidates")

    def test_the_models_name_without_its_kind(self) -> None:
        assert wire.reply_of_response("c", response(modelVersion="models/gemini-3.8-flash")).model == "gemini-3.8-flash"


class TestRows:
    def test_a_response_by_its_key(self) -> None:
        reply = wire.reply_of_row({"key": "job-1-0", "response": response()})
        assert reply is not None
        assert reply.custom_id == "job-1-0"
        assert isinstance(judge(reply), Answer)

    @pytest.mark.parametrize(
        "row", [{}, {"key": "k"}, {"response": response()}, {"key": 7, "response": response()}, {"key": "k", "response": {}}]
    )
    def test_what_names_no_key_or_nothing_else_is_no_row(self, row: dict[str, Any]) -> None:
        assert wire.reply_of_row(row) is None

    @pytest.mark.parametrize("place", ["error", "status"])
    @pytest.mark.parametrize(
        ("code", "error_type", "cause"),
        [
            (3, "invalid_request_error", Cause.REFUSED_ALONE),
            (4, "timeout_error", Cause.OVERLOADED),
            (7, "permission_error", Cause.REFUSED_ACCOUNT),
            (8, "rate_limit_error", Cause.OVERLOADED),
            (13, "api_error", Cause.OVERLOADED),
            (14, "api_error", Cause.OVERLOADED),
            (16, "authentication_error", Cause.REFUSED_ACCOUNT),
            (400, "invalid_request_error", Cause.REFUSED_ALONE),
            (429, "rate_limit_error", Cause.OVERLOADED),
            (503, "api_error", Cause.OVERLOADED),
            (None, "api_error", Cause.OVERLOADED),
        ],
    )
    def test_an_error_by_a_number_of_rpc_or_of_http(self, place: str, code: Any, error_type: str, cause: Cause) -> None:
        reply = wire.reply_of_row({"key": "k", place: {"code": code, "message": "It is so."}})
        assert reply is not None
        assert (reply.kind, reply.error_type) == (ReplyKind.ERRORED, error_type)
        assert "It is so." in reply.error_message
        verdict = judge(reply)
        assert isinstance(verdict, Retry)
        assert verdict.cause is cause

    def test_an_unknown_model_is_final_and_a_cancelled_row_is_not(self) -> None:
        unknown = wire.reply_of_row({"key": "k", "error": {"code": 5, "message": "models/x is not found"}})
        cancelled = wire.reply_of_row({"key": "k", "error": {"code": 1, "message": "cancelled"}})
        assert unknown is not None
        assert cancelled is not None
        assert isinstance(judge(unknown), Fault)
        assert cancelled.kind is ReplyKind.CANCELED

    def test_a_row_that_speaks_of_the_key_is_the_accounts(self) -> None:
        error = {"code": 400, "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}], "message": "No."}
        reply = wire.reply_of_row({"key": "k", "error": error})
        assert reply is not None
        verdict = judge(reply)
        assert isinstance(verdict, Retry)
        assert verdict.cause is Cause.REFUSED_ACCOUNT

    @pytest.mark.parametrize(
        ("message", "parameter"),
        [
            ("Thinking level MINIMAL is not supported for this model.", "reasoning_effort"),
            ("Invalid value at 'generation_config.thinking_config.thinking_level'", "reasoning_effort"),
            ("temperature is not supported", "temperature"),
            ("Request contains an invalid argument.", ""),
        ],
    )
    def test_a_refused_parameter_is_learnt_from(self, message: str, parameter: str) -> None:
        reply = wire.reply_of_row({"key": "k", "error": {"code": 400, "status": "INVALID_ARGUMENT", "message": message}})
        assert reply is not None
        assert reply.parameter == parameter


def operation(state: str, *, file: str = "", error: Any = None, ended: str | None = ENDED, **stats: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"state": state, "batchStats": stats}
    if ended:
        metadata["endTime"] = ended
    if file:
        metadata["output"] = {"responsesFile": file}
    return {"name": "batches/b", "metadata": metadata} | ({"error": error} if error else {})


class TestBatches:
    @pytest.mark.parametrize("prefix", ["BATCH_STATE_", "JOB_STATE_", ""])
    @pytest.mark.parametrize(
        ("word", "phase"),
        [
            ("PENDING", JobPhase.RUNNING),
            ("RUNNING", JobPhase.RUNNING),
            ("UNSPECIFIED", JobPhase.RUNNING),
            ("A_WORD_OF_2027", JobPhase.RUNNING),
            ("SUCCEEDED", JobPhase.ENDED),
            ("PARTIALLY_SUCCEEDED", JobPhase.ENDED),
            ("CANCELLED", JobPhase.ENDED),
            ("EXPIRED", JobPhase.ENDED),
            ("FAILED", JobPhase.ENDED),  # with a file
        ],
    )
    def test_states_by_either_name(self, prefix: str, word: str, phase: JobPhase) -> None:
        assert wire.status_of(operation(f"{prefix}{word}", file="files/out"), NOW_S).phase is phase

    def test_one_without_a_state(self) -> None:
        assert wire.status_of({"name": "batches/b"}, NOW_S).phase is JobPhase.RUNNING
        assert wire.status_of({"name": "batches/b", "done": True, "error": {"code": 13}}, NOW_S).phase is JobPhase.FAILED
        done = {"name": "batches/b", "done": True, "response": {"responsesFile": "files/out"}}
        assert wire.status_of(done, NOW_S).phase is JobPhase.ENDED
        assert wire.output_file(done) == "files/out"

    def test_progress(self) -> None:
        assert (
            wire.status_of(operation("BATCH_STATE_RUNNING", requestCount="9", successfulRequestCount="4"), NOW_S).answered == 4
        )

    @pytest.mark.parametrize("state", ["SUCCEEDED", "PARTIALLY_SUCCEEDED"])
    def test_the_file_is_waited_for(self, state: str) -> None:
        one = operation(state, requestCount="2", successfulRequestCount="2")
        assert wire.status_of(one, NOW_S).phase is JobPhase.RUNNING
        assert wire.status_of(one, NOW_S + LAG_S).phase is JobPhase.ENDED
        assert wire.status_of(operation(state, ended=None), NOW_S).phase is JobPhase.ENDED

    def test_a_cancelled_one_is_looked_at_for_a_while(self) -> None:
        one = operation("CANCELLED", requestCount="2")
        assert wire.status_of(one, NOW_S).phase is JobPhase.RUNNING
        status = wire.status_of(one, NOW_S + wire.CANCEL_LAG_S)
        assert (status.phase, status.cost_known) == (JobPhase.ENDED, False)
        assert wire.status_of(operation("CANCELLED", file="files/out"), NOW_S).phase is JobPhase.ENDED

    @pytest.mark.parametrize("state", ["CANCELLED", "EXPIRED"])
    def test_without_results_every_ask_is_unanswered_and_no_row_is_missed(self, state: str) -> None:
        one = operation(state, requestCount="12", successfulRequestCount="5")
        assert wire.announced(one, NOW_S) == Announced(0, 0)
        assert objection(wire.announced(one, NOW_S), Read(0, 0, cut=False)) is None
        assert wire.status_of(one, NOW_S + 3_600).cost_known is False
        assert wire.status_of(operation(state, file="files/out"), NOW_S).cost_known

    def test_the_rows_that_a_succeeded_one_must_hold(self) -> None:
        one = operation("SUCCEEDED", requestCount="12", successfulRequestCount="10", failedRequestCount="1")
        assert wire.announced(one, NOW_S) == Announced(12, 10)  # its counts may lag behind
        assert wire.announced(one, NOW_S + LAG_S) == Announced(11, 10)
        assert wire.announced(operation("SUCCEEDED", requestCount="3", failedRequestCount="3"), NOW_S) == Announced(3, 0)
        assert wire.announced(operation("SUCCEEDED"), NOW_S) == Announced(None, None)  # nobody counts

    @pytest.mark.parametrize(
        ("value", "expected"), [("12", 12), (12, 12), (None, 0), ("", 0), ("-1", 0), ("twelve", 0), (True, 0), ("١٢", 0)]
    )
    def test_a_count_is_a_string_of_digits(self, value: Any, expected: int) -> None:
        assert wire.number(value) == expected

    @pytest.mark.parametrize(
        ("error", "failed_by", "said"),
        [
            ({"code": 8, "message": "Quota"}, FailedBy.ACCOUNT, "RESOURCE_EXHAUSTED: Quota"),
            ({"code": 7, "message": "No"}, FailedBy.ACCOUNT, "403: No"),
            ({"code": 9, "message": "Enable billing"}, FailedBy.ACCOUNT, "FAILED_PRECONDITION: Enable billing"),
            ({"code": 13, "message": "Internal"}, FailedBy.PROVIDER, "500: Internal"),
            ({"code": 3, "message": "Two schemas"}, FailedBy.PROVIDER, "INVALID_ARGUMENT: Two schemas"),
            ({"code": 3, "message": "line 7: no contents"}, FailedBy.CONTENT, "INVALID_ARGUMENT: line 7: no contents"),
            (None, FailedBy.PROVIDER, "0: no message"),
        ],
    )
    def test_a_failed_one(self, error: Any, failed_by: FailedBy, said: str) -> None:
        status = wire.status_of(operation("BATCH_STATE_FAILED", error=error), NOW_S)
        assert (status.phase, status.failed_by, status.failure) == (JobPhase.FAILED, failed_by, said)
        assert not status.cost_known  # it may have worked before it failed
