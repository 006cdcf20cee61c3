"""How one answer is written down: as an item for each comparison, with its part of tokens and cost."""

from collections.abc import Sequence

from simulator.comparisons import Comparison, head_bytes
from simulator.completion import Completion, cost_usd
from simulator.ledger import PaidItem
from simulator.prices import Usage, estimated_tokens
from simulator.prompts import Prompt


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Divide `total` by `weights` into whole parts that add up to it, by rounding the running sum down after each."""
    whole, run, given = sum(weights), 0, 0
    parts: list[int] = []
    for weight in weights:
        run += weight
        part = (total * run // whole if whole else total * (len(parts) + 1) // len(weights)) - given
        parts.append(part)
        given += part
    return parts


def paid_items(
    prompt: Prompt, completion: Completion, kind: str, source_id: str, custom_id: str | None, at: float
) -> list[PaidItem]:
    """One item for a comparison alone, n for a bundle of n. Tokens add up exactly, and cost up to the last digit."""
    usage = completion.usage
    weights = [comparison.weight or 1 for comparison, _ in completion.comparisons]
    columns = zip(
        completion.comparisons,
        weights,
        shares(usage.input_tokens, weights),
        shares(usage.cache_read, weights),
        shares(usage.output_tokens, weights),
        strict=True,
    )
    model = completion.model
    cost = cost_usd(model, usage, "batch" if kind == "batch" else "call", at)

    def alone(comparison: Comparison, output_tokens: int) -> float:
        """The cost of the comparison in a call of its own, without a cache where it stands in a bundle."""
        if len(weights) == 1:
            return cost_usd(model, usage, "call", at)
        text_bytes = len(prompt.system.encode()) + head_bytes(prompt.text) + comparison.weight
        return cost_usd(model, Usage(estimated_tokens(text_bytes), output_tokens), "call", at)

    return [
        PaidItem(
            at=at,
            provider=prompt.provider,
            kind=kind,
            source_id=source_id,
            custom_id=custom_id,
            model=model,
            prompt_sha256=prompt.sha256,
            fingerprint=comparison.fingerprint,
            bundle_key=comparison.key or None,
            bundle_size=len(weights),
            outcome=outcome,
            input_tokens=input_tokens,
            cached_input_tokens=cached_tokens,
            output_tokens=output_tokens,
            cost_usd=cost * weight / sum(weights),
            cost_single_usd=alone(comparison, output_tokens),
        )
        for (comparison, outcome), weight, input_tokens, cached_tokens, output_tokens in columns
    ]
