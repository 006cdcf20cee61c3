"""What a model answers to one prompt, and what the ledger says of that answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from simulator.answers import KEPT_BY_VARIANT, Written, verdict_keys, write_answer
from simulator.caching import PrefixCache
from simulator.comparisons import Comparison, read_comparisons
from simulator.faults import INVALID_TAG, Fault
from simulator.judge import Verdict, judge, opinion
from simulator.prices import BATCH_FACTOR, Usage, estimated_tokens, single_cost_usd
from simulator.prompts import Prompt

Ending = Literal["complete", "refused", "cut"]

REFUSAL = "I can't help with judging this text."


@dataclass(frozen=True, slots=True)
class Completion:
    """A paid answer: its text, and for each comparison what the ledger says of its use (ok, refused, cut, invalid)."""

    text: str
    ending: Ending
    comparisons: tuple[tuple[Comparison, str], ...]
    usage: Usage


class Model:
    """Answers prompts: the judge, with its seed and error rate, and the prompt cache."""

    def __init__(self, seed: int, judge_error_rate: float, minute_s: float = 60.0) -> None:
        self._seed = seed
        self._error_rate = judge_error_rate
        self.cache = PrefixCache(minute_s)

    def _verdict(self, comparison: Comparison) -> Verdict:
        if comparison.pair is None:
            return opinion(comparison.text, seed=self._seed)
        return judge(comparison.pair, seed=self._seed, error_rate=self._error_rate)

    def complete(self, prompt: Prompt, fault: Fault | None, workspace: str, now: float) -> Completion:
        """The answer to `prompt`; `fault` may make it a refusal, cut it or spoil it. Faults of other kinds are ignored."""
        kind = None if fault is None else fault.fault
        comparisons = read_comparisons(prompt.text, verdict_keys(prompt.schema))
        variant, spoiled = None, set[str]()
        if fault is not None and kind == "invalid":
            variant, spoiled = fault.variant, _spoiled(comparisons, fault)
        ending: Ending = "complete"
        if kind == "refused":
            written, ending = Written(REFUSAL, {}), "refused"
        else:
            by_key = {comparison.key: comparison for comparison in comparisons}
            written = write_answer(prompt.schema, lambda key: self._verdict(by_key[key]), variant, spoiled)
        text = written.text
        output_tokens = estimated_tokens(len(text.encode()))
        too_long = prompt.max_tokens is not None and output_tokens > prompt.max_tokens
        if ending == "complete" and (kind == "cut" or too_long):
            output_tokens = min(output_tokens, prompt.max_tokens or output_tokens)
            text = text[: min(len(text) // 2, output_tokens * 4)]
            ending = "cut"
        usage = self.cache.usage(workspace, prompt, output_tokens, now)
        uses = []
        for comparison in comparisons:
            outcome: str = "ok" if ending == "complete" else ending
            if ending == "cut" and written.ends.get(comparison.key, len(text) + 1) <= len(text):
                outcome = "ok"
            uses.append((comparison, "invalid" if outcome == "ok" and comparison.key in spoiled else outcome))
        return Completion(text, ending, tuple(uses), usage)


def _spoiled(comparisons: Sequence[Comparison], fault: Fault) -> set[str]:
    """The keys whose verdicts an `invalid` fault spoils: those whose own text asks for it, otherwise the first `items`."""
    if fault.variant in KEPT_BY_VARIANT and len(comparisons) > 1:
        return set()
    tagged = [comparison.key for comparison in comparisons if INVALID_TAG in comparison.text]
    if fault.variant == "not_json":
        return {comparison.key for comparison in comparisons}
    return set(tagged or [comparison.key for comparison in comparisons[: fault.items]])


def cost_usd(model: str, usage: Usage, kind: Literal["batch", "call"]) -> float:
    """What an item is charged: a call's price, or half of it in a batch."""
    return single_cost_usd(model, usage) * (BATCH_FACTOR if kind == "batch" else 1.0)
