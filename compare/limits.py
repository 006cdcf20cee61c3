"""The accounts of the comparison: what they permit a minute."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccountSize:
    """Requests and input tokens a minute; OpenAI has one limit of tokens, and this is it."""

    name: str
    requests: float
    input_tokens: float


SIZES = {
    size.name: size
    for size in (
        AccountSize("small", 50, 40_000),  # the planning limits of a small account (docs/contract.md#recorded-workload)
        AccountSize("medium", 500, 400_000),
        AccountSize("large", 4_000, 4_000_000),
    )
}
