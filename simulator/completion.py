"""What a model answers to one prompt, and what the ledger says of that answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from simulator.answers import KEPT_BY_VARIANT, Written, reasons_first, verdict_keys, write_answer
from simulator.caching import PrefixCache
from simulator.comparisons import Comparison, named_keys, read_comparisons
from simulator.faults import INVALID_TAG, Fault
from simulator.judging import Judge
from simulator.prices import Usage, batch_cost_usd, estimated_tokens, single_cost_usd
from simulator.prompts import Prompt
from simulator.schemas import SchemaNode

Ending = Literal["complete", "refused", "blocked", "cut"]
"""`blocked`: Google's model was not asked at all, for the sake of the prompt."""

REFUSAL = "I can't help with judging this text."
OTHER_MODEL = "gemini-3.5-flash-lite"
"""The model that answers in place of the one that was asked, unless a fault names another."""


@dataclass(frozen=True, slots=True)
class Completion:
    """A paid answer: its text, and for each comparison what the ledger says of its use (ok, refused, cut, invalid).

    `model` is the one that answered. `reason` is the provider's word for a refusal where a fault names one.
    """

    text: str
    ending: Ending
    comparisons: tuple[tuple[Comparison, str], ...]
    usage: Usage
    model: str
    reason: str = ""


class Model:
    """Answers prompts: the judge and the prompt cache."""

    def __init__(self, judge: Judge, minute_s: float = 60.0) -> None:
        self.judge = judge
        self.cache = PrefixCache(minute_s)

    def complete(self, prompt: Prompt, fault: Fault | None, workspace: str, now: float) -> Completion:
        """The answer to `prompt`; `fault` may make it a refusal, cut it or spoil it. Faults of other kinds are ignored."""
        kind = None if fault is None else fault.fault
        if fault is not None and kind == "other_model":
            prompt = replace(prompt, model=fault.model or OTHER_MODEL)
        schema = _told(prompt.text) if prompt.schema is None else prompt.schema
        comparisons = read_comparisons(prompt.text, verdict_keys(schema))
        variant, spoiled = None, set[str]()
        if fault is not None and kind == "invalid":
            variant, spoiled = fault.variant, _spoiled(comparisons, fault)
        ending: Ending = "complete"
        if kind == "refused":
            written, ending = Written(REFUSAL, {}), "refused"
        elif kind == "blocked":
            written, ending, prompt = Written("", {}), "blocked", replace(prompt, thoughts=0)
        else:
            verdicts = self.judge.verdicts(comparisons, now, reasons_first=reasons_first(schema))
            written = write_answer(schema, verdicts.__getitem__, variant, spoiled)
        text = written.text
        output_tokens = estimated_tokens(len(text.encode()))
        thoughts, room = prompt.thoughts, output_tokens
        if fault is not None and fault.variant == "no_text":
            thoughts, room = prompt.max_tokens or thoughts, 0
        elif prompt.max_tokens is not None:
            thoughts = min(thoughts, prompt.max_tokens)
            room = prompt.max_tokens - thoughts
        if ending == "complete" and (kind == "cut" or output_tokens > room):
            output_tokens = min(output_tokens, room)
            text = text[: min(len(text) // 2, output_tokens * 4)]
            ending = "cut"
        usage = self.cache.usage(workspace, prompt, output_tokens + thoughts, now)
        if thoughts:
            usage = replace(usage, thoughts=thoughts)
        uses = []
        for comparison in comparisons:
            outcome: str = {"complete": "ok", "blocked": "refused"}.get(ending, ending)
            if ending == "cut" and written.ends.get(comparison.key, len(text) + 1) <= len(text):
                outcome = "ok"
            uses.append((comparison, "invalid" if outcome == "ok" and comparison.key in spoiled else outcome))
        return Completion(text, ending, tuple(uses), usage, prompt.model, "" if fault is None else fault.reason)


def _told(text: str) -> SchemaNode | None:
    """What a model writes that was given no schema: under each key that the text names what it tells to write there."""
    verdict: SchemaNode = {"properties": {"winner": {}, "justification": {}, "confidence": {}}}
    keys = named_keys(text)
    return {"properties": dict.fromkeys(keys, verdict)} if keys else None


def _spoiled(comparisons: Sequence[Comparison], fault: Fault) -> set[str]:
    """The keys whose verdicts an `invalid` fault spoils: those whose own text asks for it, otherwise the first `items`."""
    if fault.variant in KEPT_BY_VARIANT and len(comparisons) > 1:
        return set()
    tagged = [comparison.key for comparison in comparisons if INVALID_TAG in comparison.text]
    if fault.variant == "not_json":
        return {comparison.key for comparison in comparisons}
    return set(tagged or [comparison.key for comparison in comparisons[: fault.items]])


def cost_usd(model: str, usage: Usage, kind: Literal["batch", "call"], at: float) -> float:
    """What an item is charged at the time `at`: a call's price, or that of a row of a batch."""
    return batch_cost_usd(model, usage, at) if kind == "batch" else single_cost_usd(model, usage, at)
