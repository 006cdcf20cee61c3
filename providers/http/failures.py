"""Which of the protocol's failures an HTTP status or a broken connection is, by what had been asked for.

The same 500 means different things: a poll did nothing, a create may have made a batch that will be paid. So every rule
takes the step that failed.
"""

import email.utils
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import httpx2

from domain.answer import writable
from domain.reply import ErrorCode
from providers.protocol import (
    AccountRefused,
    ContentRefused,
    JobNotVisible,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    Throttled,
)

MOST_SAID = 300  # characters of a provider's message in our errors and logs


class Step(StrEnum):
    """What was being done when it failed."""

    READ = "read"  # a list or an upload: nothing paid follows from it
    JOB = "job"  # a look at a known job, or its results
    CALL = "call"
    CREATE = "create"  # the request that creates a batch


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """An answer with status 4xx or 5xx; `type` and `code` as the provider names them, "" where it does not."""

    status: int
    type: str = ""
    code: str = ""
    message: str = ""
    retry_after_s: float | None = None
    param: str = ""  # what the refusal is about, where the provider says it

    def __str__(self) -> str:
        said = " ".join(part for part in (self.type, self.code if self.code != self.type else "") if part)
        return f"HTTP {self.status} {said}: {self.message[:MOST_SAID]}".strip()


class UnreadableBody(Exception):
    """A success whose body is not the JSON object that it should be."""


# Codes and types that say: the account has no money left; waiting a minute does not help. Anthropic: SDK 2.12 error details;
# OpenAI: error codes guide. `billing_hard_limit_reached` and Anthropic's low credit come with status 400.
_BILLING = frozenset(
    {
        "billing_error",
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "organization_on_hold",
    }
)
_LOW_CREDIT = "credit balance is too low"
# The only refusals of a batch that speak of its content: Anthropic names "requests.3.params…", OpenAI and gateways that check
# the input file at once "line 3". "line 1 column 1" is a JSON parser's place in whatever somebody between us had sent it.
_NAMES_A_ROW = re.compile(
    r"\brequests?\s*[.\[]\s*\d+|\b(?:line|row)s?\b\s*(?:number\b|no\.|[:#])?\s*\d++(?!\s*,?\s*\(?(?:col|char))", re.IGNORECASE
)
# The connection was never made, or no connection was free: not a byte of the request left.
_UNREACHABLE = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.ProxyError)
_NEVER_SENT = (*_UNREACHABLE, httpx2.PoolTimeout)
_BEHIND_GATEWAY = frozenset({502, 504})


def is_billing(failure: HttpFailure) -> bool:
    """Whether quota, credit or a spend limit is at fault, whatever the status."""
    return failure.code in _BILLING or failure.type in _BILLING or failure.status == 402 or _LOW_CREDIT in failure.message


def of_status(failure: HttpFailure, step: Step) -> ProviderError:
    """The failure for an answer with status 4xx or 5xx."""
    status, text = failure.status, str(failure)
    if is_billing(failure):
        return AccountRefused(text, ErrorCode.QUOTA_EXCEEDED)
    if status in (429, 529) or (status == 503 and _says_overloaded(failure)):
        return Throttled(text, failure.retry_after_s)
    if status >= 500:
        return _of_server_error(status, text, step)
    if status in (408, 409):  # the request did not get through, or met another: nothing was done
        return ProviderDown(text)
    if step is Step.JOB:
        return JobNotVisible(text)
    if status in (401, 403):
        return AccountRefused(text, ErrorCode.AUTHENTICATION_ERROR, certain=status == 401)
    if status == 413 or (step is Step.CALL and (status in (400, 422) or failure.type)):
        return ContentRefused(text)  # on a call a typed 404 is an unknown model
    if status in (400, 422):
        return ContentRefused(text) if names_a_row(failure) else ProviderDown(text)
    # Any other 404 or 405 is a wrong base URL or a proxy's: no other content would help.
    return AccountRefused(text, ErrorCode.CONFIGURATION_ERROR, certain=False)


def names_a_row(failure: HttpFailure) -> bool:
    """Whether a refusal of a batch says which of its rows is at fault. Without that it is no evidence against the content.

    A job whose content is refused is cut in halves and tried again. Done for any other refusal, that would cut a round down to
    single comparisons, each of which would end as refused.
    """
    return _NAMES_A_ROW.search(f"{failure.param} {failure.message}") is not None


def _says_overloaded(failure: HttpFailure) -> bool:
    said = f"{failure.type} {failure.code} {failure.message}".lower()
    return "overloaded" in said or "slow_down" in said or "slow down" in said


def _of_server_error(status: int, text: str, step: Step) -> ProviderError:
    if step is Step.CREATE:
        return OutcomeUnknown(text)  # the batch may have been made before the server failed
    if step is Step.CALL and status in _BEHIND_GATEWAY:
        return OutcomeUnknown(text)  # the gateway gave up waiting; the model may have answered
    return ProviderDown(text)


def of_transport(cause: BaseException | None, step: Step) -> ProviderError:
    """The failure for a broken connection or a timeout, by the HTTP client's own exception."""
    text = writable(f"{type(cause).__name__}: {cause}") if cause is not None else "the connection failed"
    if step in (Step.READ, Step.JOB) or isinstance(cause, _NEVER_SENT):
        return ProviderDown(text, unreachable=isinstance(cause, _UNREACHABLE))
    return OutcomeUnknown(text)


def of_unreadable(cause: Exception, step: Step) -> ProviderError:
    """The failure for a success whose body cannot be read: what was asked for may have been done."""
    if step in (Step.READ, Step.JOB):
        return ProviderDown(f"unreadable answer: {cause}")
    return OutcomeUnknown(f"unreadable answer: {cause}")


@dataclass(frozen=True, slots=True)
class Sdk:
    """By which exceptions an adapter hears of failures: those of its SDK, or without one those of the HTTP client alone.

    The SDKs are generated alike, but share no class. `refusal` decides what an answer with status 4xx or 5xx means.
    """

    status_error: type[Exception]
    read: Callable[[Any], HttpFailure]  # takes a status_error
    connection_error: tuple[type[Exception], ...] = ()  # wraps one of the HTTP client's own
    base_error: tuple[type[Exception], ...] = ()
    refusal: Callable[[HttpFailure, Step], ProviderError] = of_status


@contextmanager
def mapped(step: Step, sdk: Sdk) -> Iterator[None]:
    """Turn the exceptions of an adapter's SDK and HTTP client into ProviderError."""
    try:
        yield
    except sdk.status_error as error:
        raise sdk.refusal(sdk.read(error), step) from error
    except sdk.connection_error as error:
        raise of_transport(error.__cause__, step) from error
    except (httpx2.HTTPError, httpx2.StreamError) as error:  # while a body is streamed the SDKs wrap nothing
        raise of_transport(error, step) from error
    except UnreadableBody as error:
        raise of_unreadable(error, step) from error
    except sdk.base_error as error:
        raise of_unreadable(error, step) from error


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or an HTTP date); None when absent or unreadable."""
    seconds = _number(headers.get("retry-after-ms"))
    if seconds is not None:
        return max(0.0, seconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        when = email.utils.parsedate_to_datetime(value or "")
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
