"""What refusals of the Gemini API mean: `{"error": {"code", "message", "status", "details": […]}}`."""

import json
import re
from typing import Any, Final

import httpx2

from domain.reply import ErrorCode
from providers.http.failures import HttpFailure, Sdk, Step, names_a_row, of_status, retry_after_s
from providers.http.fields import items, mapping, text
from providers.protocol import AccountRefused, OutcomeUnknown, ProviderDown, ProviderError, Throttled

PER_DAY, PER_MINUTE = "PerDay", "PerMinute"  # within the id of a quota that is used up
# Numbers of google.rpc, which rows and failed batches show, as the HTTP status of a call that fails so.
_RPC = {1: 499, 2: 500, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 16: 401}
_WORDS = {3: "INVALID_ARGUMENT", 8: "RESOURCE_EXHAUSTED", 9: "FAILED_PRECONDITION"}
_MOST_RPC = 16
_KEY_REASONS: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})
_NO_MONEY = re.compile(r"\b(?:billing|prepa\w+|credits?)\b|\bspend\w*\s+(?:cap|limit)", re.IGNORECASE)
_SPENT = re.compile(r"\bcredits?\b.*\bdeplet|\bspend\w*\s+(?:cap|limit)", re.IGNORECASE)
_OF_A_FILE = re.compile(r"\bfiles?\b", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


def failure_of(value: object, status: int = 0, headers: "httpx2.Headers | None" = None) -> HttpFailure:
    """The failure in an error object: of an answer, a row or a batch, whose code may be a number of google.rpc.

    `type` is the status word. `code` says more: why, or which quota is used up.
    """
    error = mapping(value)
    number = error.get("code")
    number = number if isinstance(number, int) and not isinstance(number, bool) else 0
    details = [mapping(one) for one in items(error.get("details"))]
    reasons = [text(one.get("reason")) for one in details]
    quotas = [text(mapping(one).get("quotaId")) for detail in details for one in items(detail.get("violations"))]
    waits = [found for one in details if (found := _DURATION.fullmatch(text(one.get("retryDelay"))))]
    return HttpFailure(
        status or (_RPC.get(number, 500) if 0 < number <= _MOST_RPC else number),
        type=text(error.get("status")) or (_WORDS.get(number, "") if number <= _MOST_RPC else ""),
        code=next(filter(None, [*reasons, *quotas]), ""),
        message=text(error.get("message")) or "no message",
        retry_after_s=float(waits[0][1]) if waits else retry_after_s(headers or {}),
    )


def _read(error: httpx2.HTTPStatusError) -> HttpFailure:
    response = error.response
    try:
        body: Any = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    body = body[0] if isinstance(body, list) and body else body  # as streaming methods wrap it
    return failure_of(mapping(body).get("error"), response.status_code, response.headers)


def speaks_of_the_account(failure: HttpFailure) -> bool:
    """Whether a 400 is about the key, the billing or the region, and not about what was asked."""
    return failure.code in _KEY_REASONS or failure.type == "FAILED_PRECONDITION"


def refusal(failure: HttpFailure, step: Step) -> ProviderError:
    """The failure for an answer that is no success, where it means another thing than at other providers."""
    said, creates = str(failure), step is Step.CREATE
    if creates and failure.status >= 500:
        return OutcomeUnknown(said)  # also a 503 that speaks of overload: nobody says that it has made nothing
    if failure.status == 429:
        return _of_quota(failure, step)
    if creates and failure.status in (400, 403, 404) and _is_about_the_file(failure):
        return ProviderDown(said)  # not there yet, or not any more: nothing was made, and the account is not at fault
    if step is not Step.JOB and failure.status == 400 and speaks_of_the_account(failure):
        return AccountRefused(said, _code(failure))
    return of_status(failure, step)


def _of_quota(failure: HttpFailure, step: Step) -> ProviderError:
    """A 429. Where it may be about one model only, `certain` is False, so that other models may go on."""
    said = str(failure)
    if PER_MINUTE in failure.code:
        return Throttled(said, failure.retry_after_s)
    if PER_DAY in failure.code:
        return AccountRefused(said, ErrorCode.QUOTA_EXCEEDED, certain="PerModel" not in failure.code)
    if _SPENT.search(failure.message):
        return AccountRefused(said, ErrorCode.QUOTA_EXCEEDED)
    if step is Step.CREATE:  # the batch queue of the model is full: waiting helps, by hours rather than minutes
        return AccountRefused(said, ErrorCode.QUOTA_EXCEEDED, certain=False)
    return Throttled(said, failure.retry_after_s)


def _is_about_the_file(failure: HttpFailure) -> bool:
    return _OF_A_FILE.search(failure.message) is not None and not names_a_row(failure)


def is_about_money(failure: HttpFailure) -> bool:
    """Whether a refusal of the account speaks of billing or credit."""
    return _NO_MONEY.search(failure.message) is not None


def _code(failure: HttpFailure) -> ErrorCode:
    if failure.code in _KEY_REASONS:
        return ErrorCode.AUTHENTICATION_ERROR
    return ErrorCode.QUOTA_EXCEEDED if is_about_money(failure) else ErrorCode.CONFIGURATION_ERROR


REST = Sdk(httpx2.HTTPStatusError, _read, refusal=refusal)
