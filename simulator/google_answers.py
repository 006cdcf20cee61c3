"""Gemini's GenerateContentResponse: candidates, why they ended, and the tokens."""

from typing import Any

from simulator.completion import Completion

FINISH_REASONS = {"complete": "STOP", "cut": "MAX_TOKENS", "refused": "SAFETY"}
BLOCK_REASON = "PROHIBITED_CONTENT"


def _usage(completion: Completion) -> dict[str, int]:
    """`usageMetadata`. The prompt's count holds the cached tokens, the candidates' does not hold the thoughts; no zeros."""
    usage = completion.usage
    counts = {
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cache_read,
        "candidatesTokenCount": usage.output_tokens - usage.thoughts,
        "thoughtsTokenCount": usage.thoughts,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    return {name: count for name, count in counts.items() if count}


def response(response_id: str, completion: Completion) -> dict[str, Any]:
    """The response of a call, and of a row of a batch. A blocked prompt has no candidates; only an answer has a text."""
    shown: dict[str, Any] = {}
    if completion.ending == "blocked":
        shown["promptFeedback"] = {"blockReason": completion.reason or BLOCK_REASON}
    else:
        candidate: dict[str, Any] = {}
        if completion.ending in ("complete", "cut"):
            candidate["content"] = {"role": "model"}
            if completion.text:
                candidate["content"]["parts"] = [{"text": completion.text}]
        candidate["finishReason"] = completion.reason or FINISH_REASONS[completion.ending]
        shown["candidates"] = [candidate]
    return {**shown, "usageMetadata": _usage(completion), "modelVersion": completion.model, "responseId": response_id}
