"""What OpenRouter is sent and sends, as plain values. Facts about its API are in docs/providers.md#openrouter."""

import re
import sys
from typing import Any, Final

from msgspec.structs import replace

from domain.reply import ErrorCode, Reply, Usage
from providers.http.errored import INVALID, TYPES_BY_STATUS, errored_reply
from providers.http.failures import HttpFailure, Step, of_status
from providers.http.fields import count, items, mapping, text
from providers.openai import wire as openai_wire
from providers.openai.wire import announced, reply_of_row, status_of
from providers.protocol import AccountRefused, Ask, ContentRefused, OutcomeUnknown, ProviderDown, ProviderError, Throttled
from providers.untaken import refused_field
from providers.untaken import takes_temperature as openai_takes_temperature

OPTIONAL: Final = ("temperature", "output_verbosity", "reasoning_effort")
# `error_type` of an error's metadata: the provider's word for what is at fault, whatever the status.
_MONEY = "payment_required"
_OVERLOADED = frozenset({"rate_limit_exceeded", "provider_overloaded"})
_CONTENT = frozenset(
    {
        *("context_length_exceeded", "max_tokens_exceeded", "token_limit_exceeded", "string_too_long", "payload_too_large"),
        *("invalid_request", "invalid_prompt", "unprocessable", "content_policy_violation", "refusal"),
    }
)
_MODERATION = "moderation"  # our word for a 403 that gives reasons
_NO_ENDPOINT = re.compile(r"no endpoints? found that (?:can handle|supports?) the requested parameters?", re.IGNORECASE)


def routing(model: str, upstream: str) -> dict[str, Any]:
    """Who may answer: one provider, which takes all parameters and keeps nothing. No other may, not even when it is down."""
    return {
        "only": [upstream or model.partition("/")[0]],
        "allow_fallbacks": False,
        "require_parameters": True,
        "data_collection": "deny",
        "zdr": True,
    }


def completion_body(ask: Ask, upstream: str) -> dict[str, Any]:
    """The arguments of the SDK's call.

    The output limit is sent under its older name, `max_tokens`: many endpoints do not list `max_completion_tokens`, and with
    `require_parameters` none of those would be asked.
    """
    body = openai_wire.completion_body(ask)
    body["max_tokens"] = body.pop("max_completion_tokens")
    return body | {"extra_body": {"provider": routing(ask.model, upstream)}}


def takes_temperature(model: str, effort: str | None) -> bool:
    """False where a model is known to refuse a temperature: Claude's since 5.5, and OpenAI's while they reason."""
    return not model.startswith("anthropic/") and openai_takes_temperature(model, effort)


def reply_of_completion(custom_id: str, completion: dict[str, Any]) -> Reply:
    """The reply that the body of a 200 is. An error may stand in it: at the top, at the choice, or as its finish reason.

    An error for which the account is at fault, and which names no tokens, is raised like an answer with that status, so that
    the account is paused. Any other error is an errored reply, with the tokens that it names.
    """
    choices = items(completion.get("choices"))
    choice = mapping(choices[0]) if choices else {}
    error = mapping(completion.get("error")) or mapping(choice.get("error"))
    usage = mapping(completion.get("usage"))
    if not error and text(choice.get("finish_reason")) != "error":
        return replace(openai_wire.reply_of_completion(custom_id, completion), cost_usd=charged_usd(usage))
    failure = failure_of(error, 0)
    used = openai_wire.usage_of(usage)
    refused = refusal(failure, Step.CALL) if failure.status else None
    if isinstance(refused, AccountRefused) and used == Usage(raw=used.raw):
        raise refused
    return replace(errored(custom_id, failure), model=text(completion.get("model")), usage=used, cost_usd=charged_usd(usage))


def charged_usd(usage: dict[str, Any]) -> float | None:
    """What OpenRouter says that an answer cost; None where it does not say all of it.

    With a key of our own at the provider `cost` is OpenRouter's fee alone, and the provider's bill comes on top.
    """
    cost = _usd(usage.get("cost"))
    if cost is None or usage.get("is_byok") is not True:
        return cost
    upstream = _usd(mapping(usage.get("cost_details")).get("upstream_inference_cost"))
    return None if upstream is None else cost + upstream


def _usd(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= sys.float_info.max else None  # JSON's integers may be larger than any double


def failure_of(error: dict[str, Any], status: int, wait_s: float | None = None) -> HttpFailure:
    """The failure in an error object `{"code", "message", "metadata"}`; its code is the status where none is given."""
    metadata = mapping(error.get("metadata"))
    status = status or count(error.get("code"))
    kind = text(metadata.get("error_type"))
    if status == 403 and items(metadata.get("reasons")):
        kind = _MODERATION
    elif not kind and error:
        kind = TYPES_BY_STATUS.get(status, "")  # said by OpenRouter itself, not by a proxy in between
    return HttpFailure(status, type=kind, message=text(error.get("message")), retry_after_s=wait_s)


def refusal(failure: HttpFailure, step: Step) -> ProviderError:
    """The failure for an answer with status 4xx or 5xx. Only calls are made, so `step` says no more."""
    status, said = failure.status, str(failure)
    if failure.type == _MONEY:
        return AccountRefused(said, ErrorCode.QUOTA_EXCEEDED)
    if failure.type in _OVERLOADED:
        return Throttled(said, failure.retry_after_s)
    if failure.type == _MODERATION or (failure.type in _CONTENT and status < 500):
        return ContentRefused(said)
    if status == 408:
        return OutcomeUnknown(said)  # the provider's time ran out: it may have answered, and be paid
    if status == 502:
        return ProviderDown(said)  # the provider gave nothing usable
    return of_status(failure, step)


def errored(custom_id: str, failure: HttpFailure) -> Reply:
    """The reply to a refused request, or to one that ended in an error inside a 200."""
    if failure.type == _MONEY:
        error_type = "billing_error"
    elif failure.type == _MODERATION or failure.type in _CONTENT or failure.status in (400, 422):
        error_type = INVALID
    elif failure.type in _OVERLOADED:
        error_type = "rate_limit_error"
    else:
        error_type = TYPES_BY_STATUS.get(failure.status, "api_error")
    unnamed = "it ended with an error that is not named"
    return errored_reply(custom_id, failure, error_type, parameter=refused_field(failure), unnamed=unnamed)


def is_about_parameters(reply: Reply) -> bool:
    """Whether OpenRouter found no endpoint that takes all parameters of the request."""
    return _NO_ENDPOINT.search(reply.error_message) is not None


__all__ = [
    "OPTIONAL",
    "announced",
    "charged_usd",
    "completion_body",
    "errored",
    "failure_of",
    "is_about_parameters",
    "refusal",
    "reply_of_completion",
    "reply_of_row",
    "routing",
    "status_of",
    "takes_temperature",
]
