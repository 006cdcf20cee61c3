"""What OpenAI's API is sent and sends, as plain values: completion bodies, result rows, batch status.

Facts about the API are in docs/providers.md.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from domain.answer import writable_json
from domain.reply import Reply, ReplyKind, Stop, Usage
from providers.http.errored import INVALID, error_type_of, errored_reply
from providers.http.failures import HttpFailure, is_billing, names_a_row
from providers.http.fields import count, items, mapping, text
from providers.http.results import LAG_S, Announced
from providers.prompts.answer_schema import in_words, openai_response_format
from providers.protocol import Ask, FailedBy, JobPhase, JobStatus
from providers.untaken import refused_field

ENDPOINT: Final = "/v1/chat/completions"
TERMINAL = frozenset({"failed", "completed", "expired", "cancelled"})
# Failed validations of which the account is at fault; beside them only those that name a line are the content's.
_ACCOUNT_FAILURES = frozenset({"token_limit_exceeded", "too_many_tasks", "rate_limit_exceeded", "request_limit_exceeded"})
# What a refused create says where the file that has just been uploaded is not to be found yet, or not any more.
_FILE_PARAMS = frozenset({"input_file_id", "file_id"})
_FILE_CODES = frozenset({"file_not_found", "input_file_not_found", "invalid_file_id", "invalid_input_file_id"})
_NO_FILE = re.compile(
    r"\b(?:no such|cannot find|can't find|could not find)\b.*\bfile\b|\bfile\b.*\bnot (?:be )?found\b", re.I | re.S
)
_ROW_ENDS = {"batch_expired": ReplyKind.EXPIRED, "batch_cancelled": ReplyKind.CANCELED, "batch_canceled": ReplyKind.CANCELED}
_STOPS = {"length": Stop.CUT, "content_filter": Stop.REFUSAL}


def completion_body(ask: Ask, *, schema: bool = True) -> dict[str, Any]:
    """The body of one chat completion, in a call as in a batch line. Caching needs no mark here.

    Without `schema`, for a server that takes none, the prompt says at its end what the answer must look like.
    """
    prompt = "".join(block.text for block in ask.blocks)
    if not schema:
        prompt += in_words(ask.answers, reasons_first=ask.reasons_first)
    messages = [{"role": "user", "content": prompt}]
    if ask.system:
        messages.insert(0, {"role": "system", "content": ask.system})
    body: dict[str, Any] = {
        "model": ask.model,
        "messages": messages,
        "max_completion_tokens": ask.max_tokens,  # max_tokens is deprecated and refused by reasoning models
    }
    if schema:
        body["response_format"] = openai_response_format(ask.answers, reasons_first=ask.reasons_first)
    optional = {
        "temperature": ask.temperature,
        "reasoning_effort": ask.reasoning_effort,
        "verbosity": ask.output_verbosity,
    }
    return body | {key: value for key, value in optional.items() if value is not None}


def batch_lines(asks: Iterable[Ask], *, schema: bool = True) -> Iterator[bytes]:
    """The input file of a batch line by line: ASCII, so that no reader finds a line end inside an essay."""
    for ask in asks:
        line = {"custom_id": ask.custom_id, "method": "POST", "url": ENDPOINT, "body": completion_body(ask, schema=schema)}
        yield json.dumps(line).encode() + b"\n"


def reply_of_completion(custom_id: str, completion: dict[str, Any]) -> Reply:
    """The reply that a chat completion object is."""
    choices = items(completion.get("choices"))
    choice = mapping(choices[0]) if choices else {}
    message = mapping(choice.get("message"))
    stop = _STOPS.get(text(choice.get("finish_reason")), Stop.END)
    return Reply(
        custom_id=custom_id,
        kind=ReplyKind.SUCCEEDED,
        model=text(completion.get("model")),
        text=text(message.get("content")),
        stop=Stop.REFUSAL if text(message.get("refusal")) else stop,
        http_status=200,
        usage=usage_of(completion.get("usage")),
    )


def usage_of(value: object) -> Usage:
    """Tokens; `prompt_tokens` is the whole input here as there."""
    usage = mapping(value)
    details = mapping(usage.get("prompt_tokens_details"))
    return Usage(
        prompt_tokens=count(usage.get("prompt_tokens")),
        completion_tokens=count(usage.get("completion_tokens")),
        cache_read_tokens=count(details.get("cached_tokens")),
        cache_creation_tokens=count(details.get("cache_write_tokens")),
        raw=writable_json(usage) or None,
    )


def reply_of_row(row: dict[str, Any]) -> Reply | None:
    """The reply that a row of either file is; None when it names no custom id.

    HTTP failures stand in the error file with `error` null; rows with status 0 and an empty body have been seen.
    """
    custom_id = text(row.get("custom_id"))
    if not custom_id:
        return None
    error = mapping(row.get("error"))
    response = mapping(row.get("response"))
    status = count(response.get("status_code"))
    body = mapping(response.get("body"))
    if error:
        code = text(error.get("code"))
        if code in _ROW_ENDS:
            return Reply(custom_id=custom_id, kind=_ROW_ENDS[code], error_message=text(error.get("message")))
        return errored(custom_id, failure_of(status, error))
    if status == 200 and body:
        return reply_of_completion(custom_id, body)
    return errored(custom_id, failure_of(status, body.get("error")))


def failure_of(status: int, value: object) -> HttpFailure:
    """The failure in an error object `{"type", "code", "message", "param"}`."""
    error = mapping(value)
    return HttpFailure(
        status,
        type=text(error.get("type")),
        code=text(error.get("code")),
        message=text(error.get("message")),
        param=text(error.get("param")),
    )


def is_missing_file(failure: HttpFailure) -> bool:
    """Whether a refused create is about the input file: for some seconds after its upload it is not known everywhere."""
    if failure.status not in (400, 404) or is_billing(failure):
        return False
    named = failure.param in _FILE_PARAMS or failure.code in _FILE_CODES
    return named or _NO_FILE.search(failure.message) is not None


def errored(custom_id: str, failure: HttpFailure) -> Reply:
    """The reply to a refused request."""
    error_type = "billing_error" if is_billing(failure) else error_type_of(failure.status)
    parameter = refused_field(failure) if error_type == INVALID else ""
    return errored_reply(custom_id, failure, error_type, parameter=parameter, unnamed="the row is empty")


def status_of(batch: dict[str, Any], now_s: float) -> JobStatus:
    """Where a batch stands; ended only when the files that its counts promise are there, or LAG_S after its end."""
    status = text(batch.get("status"))
    counts = mapping(batch.get("request_counts"))
    completed, failed = count(counts.get("completed")), count(counts.get("failed"))
    if status == "failed":
        return _failed(batch)
    if status not in {"completed", "expired", "cancelled"}:
        return JobStatus(JobPhase.RUNNING, status, answered=completed)
    output, errors = bool(batch.get("output_file_id")), bool(batch.get("error_file_id"))
    if status == "completed":
        awaited = (completed > 0 and not output) or (failed > 0 and not errors) or not (output or errors)
    else:
        awaited = completed > 0 and not output
    if awaited and not _has_settled(batch, now_s):
        return JobStatus(JobPhase.RUNNING, f"{status}, file not there yet", answered=completed)
    return JobStatus(JobPhase.ENDED, status, answered=completed)


def _has_settled(batch: dict[str, Any], now_s: float) -> bool:
    ended_s = count(batch.get(f"{text(batch.get('status'))}_at"))
    return bool(ended_s) and now_s >= ended_s + LAG_S


def announced(batch: dict[str, Any], now_s: float) -> Announced:
    """How many rows both files of an ended batch must hold together, and how many answers.

    At least those that it calls completed or failed; which of these an expired row is differs, and a cancelled one may be in
    neither file. Completed, it must hold all, unless what it counts has had the time to settle.
    """
    counts, status = mapping(batch.get("request_counts")), text(batch.get("status"))
    if not all(type(counts.get(key)) is int for key in ("total", "completed", "failed")):
        return Announced(None, None)
    total, completed, failed = (count(counts.get(key)) for key in ("total", "completed", "failed"))
    rows = completed + failed
    if not rows and not total and status != "cancelled":  # nobody counts there, for a batch has a row; cancelled it may be new
        return Announced(None, None)
    if status == "completed" and not _has_settled(batch, now_s):
        rows = max(rows, total)
    return Announced(rows, completed)


def _failed(batch: dict[str, Any]) -> JobStatus:
    errors = [mapping(error) for error in items(mapping(batch.get("errors")).get("data"))]
    codes = [text(error.get("code")) or "unknown" for error in errors] or ["unknown"]
    account = next((code for code in codes if code in _ACCOUNT_FAILURES or is_billing(HttpFailure(0, code=code))), None)
    if account is not None:
        return JobStatus(JobPhase.FAILED, "failed", failure=account, failed_by=FailedBy.ACCOUNT)
    for error, code in zip(errors, codes, strict=False):
        if type(error.get("line")) is int or names_a_row(failure_of(0, error)):
            return JobStatus(JobPhase.FAILED, "failed", failure=code, failed_by=FailedBy.CONTENT)
    return JobStatus(JobPhase.FAILED, "failed", failure=codes[0], failed_by=FailedBy.PROVIDER)
