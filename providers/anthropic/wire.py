"""What Anthropic's API is sent and sends, as plain values: message parameters, result rows, batch status.

Facts about the API are in docs/providers.md.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from domain.answer import writable_json
from domain.reply import Reply, ReplyKind, Stop, Usage
from providers.http.failures import HttpFailure, is_billing
from providers.http.fields import count, items, mapping, text
from providers.http.listing import epoch_s
from providers.http.results import LAG_S, Announced
from providers.prompts.answer_schema import anthropic_format
from providers.protocol import Ask, JobPhase, JobStatus, PromptBlock

_EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})
# The only optional parameter that is sent; older models take none.
_NO_EFFORT = re.compile(r"not support.*\beffort\b|\beffort\b.*not support", re.IGNORECASE)
_STOPS = {"refusal": Stop.REFUSAL, "max_tokens": Stop.CUT, "model_context_window_exceeded": Stop.CUT}


def message_params(ask: Ask, on_dropped: Callable[[str, str], None]) -> dict[str, Any]:
    """The parameters of one message, in a call as in a batch.

    `on_dropped(parameter, model)` for what the API has no place for: temperature (400 since the 5.5 models), verbosity, and the
    effort "none". The system prompt is cached with the leading block, or not at all: alone it is shorter than the shortest
    prefix that is cached (512 tokens).
    """
    output_config: dict[str, Any] = {"format": anthropic_format(ask.answers, reasons_first=ask.reasons_first)}
    params: dict[str, Any] = {
        "model": ask.model,
        "max_tokens": ask.max_tokens,
        "messages": [{"role": "user", "content": [_text_block(block) for block in ask.blocks]}],
        "output_config": output_config,
    }
    if ask.system:
        marked = next((block for block in ask.blocks if block.cacheable), None)
        params["system"] = (
            ask.system if marked is None else [{"type": "text", "text": ask.system, "cache_control": _mark(marked)}]
        )
    if ask.reasoning_effort in _EFFORTS:
        output_config["effort"] = ask.reasoning_effort
    elif ask.reasoning_effort is not None:
        on_dropped("reasoning_effort", ask.model)
    if ask.temperature is not None:
        on_dropped("temperature", ask.model)
    if ask.output_verbosity is not None:
        on_dropped("output_verbosity", ask.model)
    return params


def batch_body(asks: Iterable[Ask], on_dropped: Callable[[str, str], None]) -> Iterator[bytes]:
    """The body that creates a batch, in pieces: encoded request by request, for the encoder lets go of nothing meanwhile."""
    joint = b'{"requests": ['
    for ask in asks:
        yield joint + json.dumps({"custom_id": ask.custom_id, "params": message_params(ask, on_dropped)}).encode()
        joint = b", "
    yield b"]}"


def _text_block(block: PromptBlock) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "text", "text": block.text}
    if block.cacheable:
        value["cache_control"] = _mark(block)
    return value


def _mark(block: PromptBlock) -> dict[str, str]:
    return {"type": "ephemeral", "ttl": block.ttl}


def reply_of_message(custom_id: str, message: dict[str, Any]) -> Reply:
    """The reply that a message object is; text blocks joined, thinking left out."""
    blocks = (mapping(block) for block in items(message.get("content")))
    return Reply(
        custom_id=custom_id,
        kind=ReplyKind.SUCCEEDED,
        model=text(message.get("model")),
        text="".join(text(block.get("text")) for block in blocks if block.get("type") == "text"),
        stop=_STOPS.get(text(message.get("stop_reason")), Stop.END),
        http_status=200,
        usage=usage_of(message.get("usage")),
    )


def usage_of(value: object) -> Usage:
    """Tokens; `input_tokens` is only the uncached remainder there, the whole input here."""
    usage = mapping(value)
    read = count(usage.get("cache_read_input_tokens"))
    created = count(usage.get("cache_creation_input_tokens"))
    return Usage(
        prompt_tokens=count(usage.get("input_tokens")) + created + read,
        completion_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=read,
        cache_creation_tokens=created,
        raw=writable_json(usage) or None,
    )


def reply_of_row(row: dict[str, Any]) -> Reply | None:
    """The reply that a result row is; None when the row names no custom id or no known kind of result."""
    custom_id = text(row.get("custom_id"))
    result = mapping(row.get("result"))
    kind = text(result.get("type"))
    if not custom_id or kind not in {"succeeded", "errored", "canceled", "expired"}:
        return None
    if kind == "succeeded":
        return reply_of_message(custom_id, mapping(result.get("message")))
    if kind == "errored":
        outer = mapping(result.get("error"))
        error = mapping(outer.get("error")) or outer  # {"type": "error", "error": {…}} around the error itself
        return errored(custom_id, HttpFailure(0, type=text(error.get("type")), message=text(error.get("message"))))
    return Reply(custom_id=custom_id, kind=ReplyKind(kind))


def errored(custom_id: str, failure: HttpFailure) -> Reply:
    """An errored reply; status 0 stands for a row, which has none. Low credit comes as an invalid request and is renamed."""
    return Reply(
        custom_id=custom_id,
        kind=ReplyKind.ERRORED,
        error_type="billing_error" if is_billing(failure) else failure.type,
        error_message=failure.message,
        http_status=failure.status or None,
        parameter="reasoning_effort" if _is_about_effort(failure) else "",
    )


def _is_about_effort(failure: HttpFailure) -> bool:
    return failure.type == "invalid_request_error" and _NO_EFFORT.search(failure.message) is not None


def status_of(batch: dict[str, Any], now_s: float) -> JobStatus:
    """Where a batch stands; ended only when its results are there, or LAG_S after its end. Until then its counts are zero."""
    status = text(batch.get("processing_status"))
    if status == "ended" and (batch.get("results_url") or _has_settled(batch, now_s)):
        return JobStatus(JobPhase.ENDED, status)
    return JobStatus(JobPhase.RUNNING, "ended, results not there yet" if status == "ended" else status)


def _has_settled(batch: dict[str, Any], now_s: float) -> bool:
    return bool(batch.get("ended_at")) and now_s >= epoch_s(batch["ended_at"], "ended_at") + LAG_S


def announced(batch: dict[str, Any], now_s: float) -> Announced:
    """How many rows an ended batch holds: each of its requests is in one of these counts, and in the results, at any time."""
    counts = mapping(batch.get("request_counts"))
    rows = sum(count(counts.get(key)) for key in ("succeeded", "errored", "canceled", "expired"))
    return Announced(rows, count(counts.get("succeeded"))) if rows else Announced(None, None)
