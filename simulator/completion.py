"""What a model answers to one prompt, and what that is counted as."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from simulator.answers import write_answer
from simulator.caching import PrefixCache
from simulator.faults import Fault
from simulator.judge import Verdict, find_pairs, judge, opinion
from simulator.prices import BATCH_FACTOR, Usage, estimated_tokens, single_cost_usd
from simulator.prompts import Prompt

Ending = Literal["complete", "refused", "cut"]

REFUSAL = "I can't help with judging this text."


@dataclass(frozen=True, slots=True)
class Completion:
    """A paid answer. `outcome` (ok, refused, cut, invalid) is what the ledger says of its use."""

    text: str
    ending: Ending
    outcome: str
    usage: Usage


class Model:
    """Answers prompts: the judge, with its seed and error rate, and the prompt cache."""

    def __init__(self, seed: int, judge_error_rate: float) -> None:
        self._seed = seed
        self._error_rate = judge_error_rate
        self.cache = PrefixCache()

    def _verdicts(self, text: str) -> Iterator[Verdict]:
        for pair in find_pairs(text):
            yield judge(pair, seed=self._seed, error_rate=self._error_rate)
        while True:
            yield opinion(text, seed=self._seed)

    def complete(self, prompt: Prompt, fault: Fault | None, workspace: str, now: float) -> Completion:
        """The answer to `prompt`; `fault` may make it a refusal, cut it or spoil it. Other kinds are not looked at."""
        kind = None if fault is None else fault.fault
        ending: Ending = "complete"
        if kind == "refused":
            text, ending = REFUSAL, "refused"
        else:
            variant = fault.variant if fault is not None and kind == "invalid" else None
            text = write_answer(prompt.schema, self._verdicts(prompt.text), variant)
        output_tokens = estimated_tokens(len(text.encode()))
        too_long = prompt.max_tokens is not None and output_tokens > prompt.max_tokens
        if ending == "complete" and (kind == "cut" or too_long):
            output_tokens = min(output_tokens, prompt.max_tokens or output_tokens)
            text = text[: min(len(text) // 2, output_tokens * 4)]
            ending = "cut"
        usage = self.cache.usage(workspace, prompt, output_tokens, now)
        outcome = ending if ending != "complete" else "invalid" if kind == "invalid" else "ok"
        return Completion(text, ending, outcome, usage)


def cost_usd(model: str, usage: Usage, kind: Literal["batch", "call"]) -> float:
    """What an item is charged: a call's price, or half of it in a batch."""
    return single_cost_usd(model, usage) * (BATCH_FACTOR if kind == "batch" else 1.0)
