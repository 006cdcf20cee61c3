"""What the Gemini API sends, as plain values: answers, result rows, and operations, which batches are to it.

Facts about the API are in docs/providers.md.
"""

from typing import Any, Final

from domain.answer import writable_json
from domain.reply import Reply, ReplyKind, Stop, Usage
from providers.google.failures import failure_of, is_about_money, speaks_of_the_account
from providers.http.errored import INVALID, error_type_of, errored_reply
from providers.http.failures import HttpFailure, names_a_row
from providers.http.fields import count, items, mapping, text
from providers.http.listing import epoch_s
from providers.http.results import LAG_S, Announced
from providers.protocol import FailedBy, JobPhase, JobStatus
from providers.untaken import google_field

# States without their prefix. Any other word, known or not, is a batch that runs.
SUCCEEDED, FAILED, CANCELLED, EXPIRED = "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"
_WITH_RESULTS = frozenset({SUCCEEDED, "PARTIALLY_SUCCEEDED"})
_WITHOUT_RESULTS = frozenset({CANCELLED, EXPIRED})
OVER: Final = _WITH_RESULTS | _WITHOUT_RESULTS | {FAILED}
# How long a cancelled batch is looked at: some that were cancelled while they waited have gone on, and given results.
CANCEL_LAG_S = 60.0

_STOPS = {
    "STOP": Stop.END,
    "MAX_TOKENS": Stop.CUT,
    **dict.fromkeys(("SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"), Stop.REFUSAL),
}
_CANCELED = 499  # the HTTP status of google.rpc's CANCELLED
# HTTP statuses of a failed batch's error for which the account is at fault.
_ACCOUNT_STATUSES = frozenset({401, 403, 429})


def reply_of_response(custom_id: str, response: dict[str, Any]) -> Reply:
    """The reply that a GenerateContentResponse is.

    A blocked prompt has no candidates. What ends with a reason other than STOP or MAX_TOKENS is no answer, whatever its text:
    RECITATION, MALFORMED_RESPONSE and words that are not known make it a broken one, which may be asked for again.
    """
    candidates = items(response.get("candidates"))
    candidate = mapping(candidates[0]) if candidates else {}
    blocked = text(mapping(response.get("promptFeedback")).get("blockReason"))
    reason = text(candidate.get("finishReason"))
    if candidate:
        stop = _STOPS.get(reason, Stop.BROKEN)
    else:
        stop, reason = (Stop.REFUSAL, f"prompt blocked: {blocked}") if blocked else (Stop.BROKEN, "no candidates")
    parts = (mapping(part) for part in items(mapping(candidate.get("content")).get("parts")))
    return Reply(
        custom_id=custom_id,
        kind=ReplyKind.SUCCEEDED,
        model=text(response.get("modelVersion")).removeprefix("models/"),
        text="".join(text(part.get("text")) for part in parts if part.get("thought") is not True),
        stop=stop,
        stop_reason="" if stop in (Stop.END, Stop.CUT) else reason or "no finish reason",
        http_status=200,
        usage=usage_of(response.get("usageMetadata")),
    )


def usage_of(value: object) -> Usage:
    """Tokens. Thoughts are not in candidatesTokenCount and are paid as output; counts of zero are left out."""
    usage = mapping(value)
    return Usage(
        prompt_tokens=count(usage.get("promptTokenCount")),
        completion_tokens=count(usage.get("candidatesTokenCount")) + count(usage.get("thoughtsTokenCount")),
        cache_read_tokens=count(usage.get("cachedContentTokenCount")),
        raw=writable_json(usage) or None,
    )


def reply_of_row(row: dict[str, Any]) -> Reply | None:
    """The reply that a row of the output file is; None when it names no key, or says nothing else."""
    custom_id = text(row.get("key"))
    response = mapping(row.get("response"))
    error = mapping(row.get("error")) or mapping(row.get("status"))  # the latter has been reported once
    if not custom_id or not (response or error):
        return None
    return reply_of_response(custom_id, response) if response else errored(custom_id, failure_of(error))


def errored(custom_id: str, failure: HttpFailure) -> Reply:
    """The reply to a refused request, or to a row that failed."""
    if failure.status == _CANCELED:
        return Reply(custom_id=custom_id, kind=ReplyKind.CANCELED, error_message=failure.message)
    if speaks_of_the_account(failure):
        error_type = "billing_error" if is_about_money(failure) else "permission_error"
    else:
        error_type = "timeout_error" if failure.status == 504 else error_type_of(failure.status)
    return errored_reply(custom_id, failure, error_type, parameter=google_field(failure) if error_type == INVALID else "")


# -- batches ---------------------------------------------------------------------------------------------------------


def metadata_of(operation: dict[str, Any]) -> dict[str, Any]:
    """What an operation says of its batch."""
    return mapping(operation.get("metadata")) or operation


def state_of(operation: dict[str, Any]) -> str:
    """The state of a batch, without the prefix that differs between the API and Google's SDK."""
    state = text(metadata_of(operation).get("state"))
    if not state and operation.get("done") is True:
        return FAILED if operation.get("error") else SUCCEEDED
    return state.removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")


def output_file(operation: dict[str, Any]) -> str:
    """The name of the file with the rows; "" as long as none is named."""
    response = mapping(operation.get("response"))
    places = (metadata_of(operation).get("output"), response.get("output"), response)
    return next(filter(None, (text(mapping(place).get("responsesFile")) for place in places)), "")


def status_of(operation: dict[str, Any], now_s: float) -> JobStatus:
    """Where a batch stands.

    SUCCEEDED was seen before its file was named: it runs until the file is there, or LAG_S after its end. CANCELLED and EXPIRED
    have no rows, and a failed batch none either, unless a file is named. What those three cost the API does not tell.
    """
    state, stats = state_of(operation), mapping(metadata_of(operation).get("batchStats"))
    answered, named = number(stats.get("successfulRequestCount")), bool(output_file(operation))
    if state not in OVER:
        return JobStatus(JobPhase.RUNNING, state.lower(), answered=answered)
    if state == FAILED and not named:
        return _failed(operation)
    lag_s = CANCEL_LAG_S if state == CANCELLED else LAG_S
    if not named and state != EXPIRED and not _has_settled(operation, now_s, lag_s):
        return JobStatus(JobPhase.RUNNING, f"{state.lower()}, no file yet", answered=answered)
    return JobStatus(JobPhase.ENDED, state.lower(), answered=answered, cost_known=named or state in _WITH_RESULTS)


def _has_settled(operation: dict[str, Any], now_s: float, lag_s: float) -> bool:
    """Whether a batch ended at least `lag_s` ago; True where the API shows no time of its end."""
    metadata = metadata_of(operation)
    ended = metadata.get("endTime") or metadata.get("updateTime")
    return ended is None or now_s >= epoch_s(ended, "endTime") + lag_s


def announced(operation: dict[str, Any], now_s: float) -> Announced:
    """How many rows an ended batch must hold, and how many answers. Its counts are strings, and absent when they are zero."""
    state, stats = state_of(operation), mapping(metadata_of(operation).get("batchStats"))
    if state not in _WITH_RESULTS:  # nobody promises a row
        return Announced(0, 0)
    total, answered, failed = (
        number(stats.get(key)) for key in ("requestCount", "successfulRequestCount", "failedRequestCount")
    )
    if not total:
        return Announced(None, None)
    rows = answered + failed
    return Announced(rows if _has_settled(operation, now_s, LAG_S) else max(rows, total), answered)


def number(value: object) -> int:
    """A count of batchStats: a string of digits, as JSON writes numbers of 64 bits."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else count(value)


def _failed(operation: dict[str, Any]) -> JobStatus:
    """A failed batch, by the operation's error. It may have worked before it failed, so that something may have been paid."""
    failure = failure_of(operation.get("error") or metadata_of(operation).get("error"))
    if failure.status in _ACCOUNT_STATUSES or speaks_of_the_account(failure):
        failed_by = FailedBy.ACCOUNT
    elif names_a_row(failure):
        failed_by = FailedBy.CONTENT
    else:
        failed_by = FailedBy.PROVIDER
    said = failure.code or failure.type or str(failure.status)
    return JobStatus(
        JobPhase.FAILED, "failed", failure=f"{said}: {failure.message}"[:200], failed_by=failed_by, cost_known=False
    )
