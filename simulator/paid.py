"""What one answer is written down as: an item for each comparison, with its share of tokens and cost."""

from collections.abc import Sequence

from simulator.completion import Completion, cost_usd
from simulator.ledger import PaidItem
from simulator.prompts import Prompt


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Parts of `total` by `weights` that add up to it: each ends where its share of the running sum is rounded down."""
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
    """One item for a comparison alone, n for a bundle of n; tokens add up exactly, cost but for the last digit."""
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
    cost = cost_usd(prompt.model, usage, "batch" if kind == "batch" else "call")
    cost_single = cost_usd(prompt.model, usage, "call")
    return [
        PaidItem(
            at=at,
            provider=prompt.provider,
            kind=kind,
            source_id=source_id,
            custom_id=custom_id,
            model=prompt.model,
            prompt_sha256=prompt.sha256,
            fingerprint=comparison.fingerprint,
            bundle_key=comparison.key or None,
            bundle_size=len(weights),
            outcome=outcome,
            input_tokens=input_tokens,
            cached_input_tokens=cached_tokens,
            output_tokens=output_tokens,
            cost_usd=cost * weight / sum(weights),
            cost_single_usd=cost_single * weight / sum(weights),
        )
        for (comparison, outcome), weight, input_tokens, cached_tokens, output_tokens in columns
    ]
