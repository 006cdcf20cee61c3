"""What a provider sent back for one line, and what follows from it."""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from domain.answer import Answer, UnusableAnswer, bundle_keys, read_answer, read_bundle, writable
from domain.exact_parts import float_parts, whole_parts


class ReplyKind(StrEnum):
    """How a line ended at the provider."""

    SUCCEEDED = "succeeded"
    ERRORED = "errored"
    EXPIRED = "expired"
    CANCELED = "canceled"


class Stop(StrEnum):
    """Why the model stopped; all come with status 200 and are billed."""

    END = "end"
    REFUSAL = "refusal"
    CUT = "cut"
    BROKEN = "broken"  # for a reason that makes whatever text there is no answer, as quoting at length (Gemini: RECITATION)


class Usage(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Tokens of one comparison. `prompt_tokens` is the whole input, cached parts included."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    raw: dict[str, Any] | None = None  # the provider's own usage object, echoed in request_metadata


class Reply(Struct, frozen=True, gc=False):
    """What came back for one line. `text` is set only when it succeeded, `error_type` only when it errored."""

    custom_id: str
    kind: ReplyKind
    model: str = ""
    text: str = ""
    stop: Stop = Stop.END
    stop_reason: str = ""  # the provider's own word for a refusal or a broken answer, where it has several
    error_type: str = ""
    error_message: str = ""
    http_status: int | None = None
    parameter: str = ""  # of a refused request: the field of the Ask that the model does not take, if the refusal names one
    usage: Usage = Usage()
    cost_usd: float | None = None  # what the provider says that it charged; None where it says nothing


class ErrorCode(StrEnum):
    """The codes of the consumer's enum that we use; any other string makes the whole event fail there."""

    TIMEOUT = "TIMEOUT"
    RATE_LIMIT = "RATE_LIMIT"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    AUTHENTICATION_ERROR = "AUTHENTICATION_ERROR"
    INVALID_REQUEST = "INVALID_REQUEST"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    INVALID_RESPONSE = "INVALID_RESPONSE"
    PARSING_ERROR = "PARSING_ERROR"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    EXTERNAL_SERVICE_ERROR = "EXTERNAL_SERVICE_ERROR"
    CONFIGURATION_ERROR = "CONFIGURATION_ERROR"
    PROCESSING_ERROR = "PROCESSING_ERROR"


class Cause(StrEnum):
    """Why a member is still open after a try. Each cause is a row of domain.replanning.TABLE."""

    EXPIRED = "expired"
    OVERLOADED = "overloaded"
    MISSING = "missing"
    UNUSABLE = "unusable"
    CANCELED = "canceled"
    REFUSED_CONTENT = "refused_content"  # of several comparisons together: which one is at fault is not known
    REFUSED_ALONE = "refused_alone"
    PARAMETER = "parameter"  # the model does not take a parameter: asked again without it
    REFUSED_ACCOUNT = "refused_account"
    ACCOUNT_PAUSED = "account_paused"  # refused by the account, and no job of it goes until it answers again
    OVER_BUDGET = "over_budget"
    SPLIT = "split"  # the job wanted more than a whole budget
    NOT_STARTED = "not_started"
    STARTED_LATE = "started_late"
    ESCALATED = "escalated"
    ABSENT = "absent"
    LOST_CALL = "lost_call"
    CUT = "cut"  # a bundle ended at max_tokens before this member's answer
    BUNDLE_REFUSED = "bundle_refused"  # the model refused a bundle; which member it was about is not known


class Retry(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """To be asked again; `code` is the error that ends the member once its attempts are used up."""

    cause: Cause
    code: ErrorCode
    message: str
    details: dict[str, Any] = {}


class Fault(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """An error that ends the member now."""

    code: ErrorCode
    message: str
    details: dict[str, Any] = {}


# Errors of rows by the providers' own type names (docs/providers.md). A type that is not listed is the provider's own failure:
# the comparison is asked again.
_FINAL_ROW_ERRORS = frozenset({"not_found_error", "request_too_large"})  # an unknown model, too many bytes: so it stays
_REFUSED_ROW_ERROR = "invalid_request_error"
_ACCOUNT_ROW_ERRORS = {
    "authentication_error": ErrorCode.AUTHENTICATION_ERROR,
    "permission_error": ErrorCode.AUTHENTICATION_ERROR,
    "billing_error": ErrorCode.QUOTA_EXCEEDED,
    "insufficient_quota": ErrorCode.QUOTA_EXCEEDED,
}
_FINAL_STATUSES = frozenset({404, 413})
_REFUSED_STATUSES = frozenset({400, 422})


def judge(reply: Reply) -> Answer | Retry | Fault:
    """Say what follows from one reply: an answer, another try, or an error that is final."""
    if reply.kind is ReplyKind.EXPIRED:
        return Retry(
            Cause.EXPIRED,
            ErrorCode.TIMEOUT,
            "the provider's batch expired before this comparison was answered",
        )
    if reply.kind is ReplyKind.CANCELED:
        return Retry(Cause.CANCELED, ErrorCode.SERVICE_UNAVAILABLE, "the provider's batch was cancelled")
    if reply.kind is ReplyKind.ERRORED:
        return _judge_error(reply)
    if reply.stop is Stop.REFUSAL:
        return Retry(Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE, f"the model refused to compare the essays{_why(reply)}")
    if reply.stop is Stop.CUT:
        return Retry(Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE, "the answer was cut at max_tokens")
    if reply.stop is Stop.BROKEN:
        return Retry(Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE, f"the model broke its answer off{_why(reply)}")
    try:
        return read_answer(reply.text)
    except UnusableAnswer as error:
        code = ErrorCode.PARSING_ERROR if error.__cause__ else ErrorCode.INVALID_RESPONSE
        return Retry(Cause.UNUSABLE, code, str(error))


def judge_bundle(reply: Reply, size: int) -> tuple[Answer | Retry | Fault, ...]:
    """Say what follows from one reply for each of the `size` members of its line, in slot order. Of size 1 it is `judge`.

    Every item is checked by itself: a usable one is kept whatever the others are. What cannot be blamed on one member (a
    refusal, a 400) is a Retry for all of them, so that they are asked in smaller bundles until the culprit is alone.
    """
    if size == 1:
        return (judge(reply),)
    keys = bundle_keys(size)
    if reply.kind is not ReplyKind.SUCCEEDED:
        verdict = judge(reply)
        if isinstance(verdict, Fault) or (isinstance(verdict, Retry) and verdict.cause is Cause.REFUSED_ALONE):
            verdict = Retry(Cause.REFUSED_CONTENT, verdict.code, verdict.message, verdict.details)
        return (verdict,) * size
    if reply.stop is Stop.REFUSAL:
        return (
            Retry(Cause.BUNDLE_REFUSED, ErrorCode.INVALID_RESPONSE, f"the model refused a bundle of {size}{_why(reply)}"),
        ) * size
    if reply.stop is Stop.BROKEN:
        broken = f"the model broke the answers of a bundle of {size} off{_why(reply)}"
        return (Retry(Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE, broken),) * size
    read = read_bundle(reply.text, keys)
    if reply.stop is Stop.CUT:
        rest = Retry(Cause.CUT, ErrorCode.INVALID_RESPONSE, f"the answers of a bundle of {size} were cut at max_tokens")
    elif read.whole:
        rest = Retry(Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE, f"one of the {size} answers of a bundle is missing")
    else:
        rest = Retry(Cause.UNUSABLE, ErrorCode.PARSING_ERROR, f"the answers of a bundle of {size} are not JSON")
    return tuple(_judge_item(read.found.get(key), rest) for key in keys)


def _why(reply: Reply) -> str:
    return f" ({writable(reply.stop_reason)[:80]})" if reply.stop_reason else ""


def _judge_item(found: Answer | UnusableAnswer | None, missing: Retry) -> Answer | Retry:
    if isinstance(found, UnusableAnswer):
        return Retry(Cause.UNUSABLE, ErrorCode.INVALID_RESPONSE, str(found))
    return missing if found is None else found


def _judge_error(reply: Reply) -> Retry | Fault:
    named = writable(reply.error_type)
    details = {"provider_error_type": named, "provider_error_message": writable(reply.error_message)[:500]}
    if reply.http_status is not None:
        details["http_status"] = str(reply.http_status)
    said = f"the provider refused the request: {named or reply.http_status}"
    if reply.parameter:
        return Retry(Cause.PARAMETER, ErrorCode.INVALID_REQUEST, f"{said}: the model takes no {reply.parameter}", details)
    if reply.error_type in _FINAL_ROW_ERRORS:
        return Fault(ErrorCode.INVALID_REQUEST, said, details)
    if reply.error_type in _ACCOUNT_ROW_ERRORS:
        return Retry(Cause.REFUSED_ACCOUNT, _ACCOUNT_ROW_ERRORS[reply.error_type], said)
    if reply.http_status in _FINAL_STATUSES:
        return Fault(ErrorCode.INVALID_REQUEST, said, details)
    if reply.error_type == _REFUSED_ROW_ERROR or reply.http_status in _REFUSED_STATUSES:
        return Retry(Cause.REFUSED_ALONE, ErrorCode.INVALID_REQUEST, said, details)
    if reply.http_status in (401, 403):
        return Retry(Cause.REFUSED_ACCOUNT, ErrorCode.AUTHENTICATION_ERROR, said)
    code = ErrorCode.RATE_LIMIT if reply.error_type == "rate_limit_error" else ErrorCode.EXTERNAL_SERVICE_ERROR
    return Retry(Cause.OVERLOADED, code, f"the provider failed: {named or reply.http_status or 'no status'}")


def usage_by_member(usage: Usage, cost_usd: float, weights: Sequence[int]) -> tuple[tuple[Usage, float], ...]:
    """What each member of a bundle used and cost, in proportion to `weights` (bytes of its prompt). The parts add up exactly.

    The numbers inside `raw` are divided too, so that results that echo it add up as well. Raises ValueError as
    domain.exact_parts does.
    """
    cached = (usage.cache_read_tokens, usage.cache_creation_tokens)
    uncached = usage.prompt_tokens - sum(cached)
    if uncached >= 0:  # each part by itself, so that no member has more cached tokens than tokens
        prompts = [sum(parts) for parts in zip(*(whole_parts(part, weights) for part in (uncached, *cached)), strict=True)]
    else:
        prompts = list(whole_parts(usage.prompt_tokens, weights))
    columns = zip(
        prompts,
        whole_parts(usage.completion_tokens, weights),
        *(whole_parts(part, weights) for part in cached),
        _raw_parts(usage.raw, weights),
        float_parts(cost_usd, weights),
        strict=True,
    )
    return tuple((Usage(*tokens), cost) for *tokens, cost in columns)


def _raw_parts(value: Any, weights: Sequence[int]) -> list[Any]:
    if isinstance(value, dict):
        columns = {key: _raw_parts(inner, weights) for key, inner in value.items()}
        return [{key: column[place] for key, column in columns.items()} for place in range(len(weights))]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return list(whole_parts(value, weights))
    if isinstance(value, float) and math.isfinite(value) and value > 0:
        return list(float_parts(value, weights))
    return [value] * len(weights)
