"""What a worker's own metrics say of a run, by provider."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from compare.case import LIVE
from compare.limits import AccountSize

_NOT_A_LIMIT = "concurrency"


@dataclass(frozen=True, slots=True)
class Scraped:
    """Counters of one provider since the worker's start. limits: what its headers have shown, infinite if they showed none."""

    http_operations: int
    calls_429: int
    throttled_s: float
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float
    limits: AccountSize


def read(text: str, provider: str) -> Scraped:
    """Read the text of /metrics."""
    samples = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("provider") == provider
    ]

    def total(name: str, **labels: str) -> float:
        return sum(value for found, has, value in samples if found == name and _fits(has, labels))

    def limit(kind: str) -> float:
        found = [value for name, has, value in samples if name == "roundbatch_limit_per_minute" and has["kind"] == kind]
        return min(found, default=float("inf"))

    tokens, throttled = "roundbatch_tokens_total", "roundbatch_throttled_seconds_total"
    return Scraped(
        http_operations=int(total("roundbatch_http_operations_total")),
        calls_429=int(total("roundbatch_http_operations_total", status="429")),
        throttled_s=total(throttled) - total(throttled, kind=_NOT_A_LIMIT),
        input_tokens=int(total(tokens, direction="input")),
        cached_tokens=int(total(tokens, direction="input", cached="read")),
        output_tokens=int(total(tokens, direction="output")),
        cost_usd=total("roundbatch_cost_usd_total"),
        limits=AccountSize(LIVE, limit("requests"), limit("input_tokens")),
    )


def _fits(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())
