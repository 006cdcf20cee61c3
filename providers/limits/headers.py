"""What the rate limit headers of an answer say, in Anthropic's words or OpenAI's (docs/providers.md#limits-and-their-headers).

anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}    reset: a timestamp
x-ratelimit-{limit,remaining,reset}-{requests,tokens}                                       reset: "6m0s", "120ms"
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from providers.limits.charging import Kind

# "tokens" of Anthropic is the tighter one of input and output at the time: it is no limit of its own.
_ANTHROPIC = {
    Kind.REQUESTS: "requests",
    Kind.INPUT_TOKENS: "input-tokens",
    Kind.OUTPUT_TOKENS: "output-tokens",
}
_OPENAI = {Kind.REQUESTS: "requests", Kind.INPUT_TOKENS: "tokens"}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNIT_S = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)


@dataclass(frozen=True, slots=True)
class Seen:
    """One limit as an answer showed it. `full_in_s`: when it will be full again; None where that was not told."""

    limit: float
    remaining: float
    full_in_s: float | None = None


def read(headers: Mapping[str, str], now: datetime | None = None) -> dict[Kind, Seen]:
    """The limits that these headers show, what cannot be read left out. Names in lower case, or a mapping that ignores case."""
    seen: dict[Kind, Seen] = {}
    for names, form in ((_ANTHROPIC, "anthropic-ratelimit-{name}-{what}"), (_OPENAI, "x-ratelimit-{what}-{name}")):
        for kind, name in names.items():
            limit = _number(headers.get(form.format(name=name, what="limit")))
            remaining = _number(headers.get(form.format(name=name, what="remaining")))
            if limit is None or limit <= 0 or remaining is None:
                continue
            reset = headers.get(form.format(name=name, what="reset"), "")
            seen[kind] = Seen(limit, remaining, _seconds(reset, now))
    return seen


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds(reset: str, now: datetime | None) -> float | None:
    duration = _DURATION.fullmatch(reset.strip()) if reset.strip() else None
    if duration is not None:
        return sum(float(part or 0) * unit for part, unit in zip(duration.groups(), _UNIT_S, strict=True))
    try:
        at = datetime.fromisoformat(reset)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
