"""The bytes of the event that tells an answer, put together from its parts: less than half of what a model and json.dumps take.

They are the bytes that `streams.wire.results` makes of it in the long way (tests/unit/streams/test_results_fast.py). Whatever
the consumer would drop is left to that way, which says in words what is wrong with it.
"""

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Literal, get_args

import msgspec

from domain.answer import MAX_JUSTIFICATION, Answer
from domain.outcome import Outcome
from streams.wire.plain_body import PlainBody
from streams.wire.requests import InboundMember

Provider = Literal["anthropic", "openai", "google", "openrouter", "mock"]  # that an event may name
Winner = Literal["Essay A", "Essay B"]
_PROVIDERS, _WINNERS = frozenset(get_args(Provider)), frozenset(get_args(Winner))
_json = json.JSONEncoder().encode
_compact = msgspec.json.Encoder().encode


def can_be_sent(outcome: Outcome, answer: Answer) -> bool:
    """Whether every field is within what the consumer takes; False also where that is not certain."""
    usage = outcome.usage
    return (
        answer.winner in _WINNERS
        and type(answer.justification) is str
        and len(answer.justification) <= MAX_JUSTIFICATION
        and 1 <= answer.confidence <= 5
        and outcome.provider in _PROVIDERS
        and type(outcome.model) is str
        and type(outcome.response_time_ms) is type(usage.prompt_tokens) is type(usage.completion_tokens) is int
        and min(outcome.response_time_ms, usage.prompt_tokens, usage.completion_tokens) >= 0
        and 0 <= outcome.cost_usd < float("inf")
    )


def data_json(
    member: InboundMember, outcome: Outcome, answer: Answer, ids: tuple[str, str], requested: str, completed: str
) -> str:
    """The event's data: a ComparisonResult without an error. `ids`: of the request and of the comparison."""
    usage = outcome.usage
    into, out = usage.prompt_tokens, usage.completion_tokens
    return (
        f'{{"request_id": "{ids[0]}", "correlation_id": "{ids[1]}", "winner": "{answer.winner}", '
        f'"justification": {quoted(answer.justification)}, "confidence": {float(answer.confidence)!r}, "error_detail": null, '
        f'"provider": "{outcome.provider}", "model": {quoted(outcome.model)}, "response_time_ms": {outcome.response_time_ms}, '
        f'"token_usage": {{"prompt_tokens": {into}, "completion_tokens": {out}, "total_tokens": {into + out}}}, '
        f'"cost_estimate": {float(outcome.cost_usd)!r}, "requested_at": "{requested}", "completed_at": "{completed}", '
        f'"trace_id": null, "request_metadata": {_request_metadata(member, outcome)}}}'
    )


def _request_metadata(member: InboundMember, outcome: Outcome) -> str:
    """The caller's metadata, whole and first, then ours under keys that the caller has not used."""
    metadata, body, usage = member.metadata, member.body, outcome.usage
    told = _metadata_json(metadata, isinstance(body, PlainBody))[:-1]
    parts = [told] if metadata else []
    if "resolved_provider" not in metadata:
        parts.append(f'"resolved_provider": "{outcome.provider}"')
    if "queue_processing_mode" not in metadata:
        parts.append(f'"queue_processing_mode": "{outcome.mode}"')
    # See results._request_metadata.
    if body is not None and body.llm_config_overrides.model_override and "resolved_model" not in metadata:
        parts.append(f'"resolved_model": {quoted(outcome.model)}')
    if "prompt_sha256" not in metadata:
        parts.append(f'"prompt_sha256": "{member.prompt_sha256}"')
    if usage.raw is not None and "usage" not in metadata:
        parts.append(f'"usage": {_json(usage.raw)}')
    if "cache_read_input_tokens" not in metadata:
        parts.append(f'"cache_read_input_tokens": {usage.cache_read_tokens}')
    if "cache_creation_input_tokens" not in metadata:
        parts.append(f'"cache_creation_input_tokens": {usage.cache_creation_tokens}')
    return f"{'' if metadata else '{'}{', '.join(parts)}}}"


def _metadata_json(metadata: dict[str, Any], plain: bool) -> str:
    """As json.dumps writes it. Plain metadata holds neither floats nor depth, so msgspec may write it, within ASCII."""
    if plain:
        made = msgspec.json.format(_compact(metadata), indent=0)
        if made.isascii() and b"\x7f" not in made:
            return made.decode()
    return _json(metadata)
