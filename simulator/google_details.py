"""The `details` of Google's errors: what tells an invalid key, a limit a minute and a limit a day apart."""

import math
from typing import Any

from simulator.errors import ApiError

HELP = {
    "@type": "type.googleapis.com/google.rpc.Help",
    "links": [
        {"description": "Learn more about Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}
    ],
}
API_KEY_INVALID = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "API_KEY_INVALID",
    "domain": "googleapis.com",
    "metadata": {"service": "generativelanguage.googleapis.com"},
}
DETAILS = ("per_minute", "per_day", "help", "api_key_invalid", "bare")
"""What a fault may name as its variant; `bare` is an error without details."""


def bad_key(key: str) -> ApiError:
    """What a request gets whose key is wrong (400, not 401) or that has none (403)."""
    if not key:
        return ApiError(403, "Method doesn't allow unregistered callers. Please use API Key to call this API.")
    return ApiError(400, "API key not valid. Please pass a valid API key.", details=[API_KEY_INVALID])


def quota(quota_id: str, retry_after_s: float | None) -> list[dict[str, Any]]:
    """A limit that was met; its id holds PerMinute or PerDay. Seconds to wait are told in whole ones."""
    violation = {"quotaMetric": "generativelanguage.googleapis.com/generate_content_requests", "quotaId": quota_id}
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}, HELP]
    if retry_after_s is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{math.ceil(retry_after_s)}s"})
    return details


def details_of(variant: str, status: int, endpoint: str, retry_after_s: float | None) -> list[dict[str, Any]]:
    """The details of an injected failure. A 429 without a variant is a limit a minute; on create it has Help alone."""
    if not variant and status == 429:
        variant = "help" if endpoint == "batches.create" else "per_minute"
    match variant:
        case "per_minute":
            return quota("GenerateRequestsPerMinutePerProjectPerModel", 1.0 if retry_after_s is None else retry_after_s)
        case "per_day":
            return quota("GenerateRequestsPerDayPerProjectPerModel", retry_after_s)
        case "help":
            return [HELP]
        case "api_key_invalid":
            return [API_KEY_INVALID]
        case _:
            return []
