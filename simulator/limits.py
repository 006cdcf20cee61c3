"""Requests and tokens a minute, of one model in one workspace: token buckets, and the headers that tell how full they are."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

UNLIMITED = 1_000_000_000
"""What the headers show where no limit is set."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is permitted a minute; None is no limit. `minute_s` is how long that minute lasts.

    tokens: uncached input at Anthropic; at OpenAI max(max_tokens, input). output_tokens: at Anthropic alone.
    """

    requests: int | None = None
    tokens: int | None = None
    output_tokens: int | None = None
    minute_s: float = 60.0


class Bucket:
    """A token bucket that holds a minute's worth and refills evenly. Times are seconds since 1970."""

    def __init__(self, per_minute: int | None, minute_s: float = 60.0) -> None:
        self.limit = per_minute or UNLIMITED
        self._minute_s = minute_s
        self._level = float(self.limit)
        self._at: float | None = None

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._level = min(self.limit, self._level + max(0.0, now - self._at) * self.limit / self._minute_s)
        self._at = now

    def change(self, per_minute: int | None, minute_s: float, now: float) -> None:
        """Set another limit from now on. What the bucket holds above it is lost; to a higher one it fills from its level."""
        self._refill(now)
        self.limit, self._minute_s = per_minute or UNLIMITED, minute_s
        self._level = min(self._level, self.limit)

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` is there, 0 if it is now. An amount above what the bucket can hold waits for a full one."""
        self._refill(now)
        lacking = min(amount, self.limit) - self._level
        return max(0.0, lacking * self._minute_s / self.limit)

    def take(self, amount: float, now: float) -> None:
        """Take `amount`; what is not there is owed."""
        self._refill(now)
        self._level -= amount

    def remaining(self, now: float) -> int:
        self._refill(now)
        return max(0, int(self._level))

    def full_in_s(self, now: float) -> float:
        self._refill(now)
        return (self.limit - self._level) * self._minute_s / self.limit


class Limiter:
    """The buckets of one model in one workspace at one provider."""

    def __init__(self, limits: Limits) -> None:
        self.requests = Bucket(limits.requests, limits.minute_s)
        self.tokens = Bucket(limits.tokens, limits.minute_s)
        self.output = Bucket(limits.output_tokens, limits.minute_s)

    def change(self, limits: Limits, now: float) -> None:
        """Other limits from now on."""
        self.requests.change(limits.requests, limits.minute_s, now)
        self.tokens.change(limits.tokens, limits.minute_s, now)
        self.output.change(limits.output_tokens, limits.minute_s, now)

    def admit(self, tokens: int, now: float) -> float:
        """Take one request of `tokens` tokens and return 0, or take nothing and return the seconds to wait.

        Output is counted once it is made (`answered`); a request is let in only while some of its limit is left.
        """
        wait_s = max(self.requests.wait_s(1, now), self.tokens.wait_s(tokens, now), self.output.wait_s(1, now))
        if wait_s > 0:
            return wait_s
        self.requests.take(1, now)
        self.tokens.take(tokens, now)
        return 0.0

    def answered(self, output_tokens: int, now: float) -> None:
        """Count the output of a request that was let in."""
        self.output.take(output_tokens, now)

    def anthropic_headers(self, now: float) -> dict[str, str]:
        """`anthropic-ratelimit-…`; a reset is a timestamp in whole seconds. `tokens` shows the tighter of input and output."""
        headers: dict[str, str] = {}
        tighter = min(self.tokens, self.output, key=lambda bucket: bucket.remaining(now) / bucket.limit)
        for name, bucket in (
            ("requests", self.requests),
            ("tokens", tighter),
            ("input-tokens", self.tokens),
            ("output-tokens", self.output),
        ):
            reset = datetime.fromtimestamp(math.ceil(now + bucket.full_in_s(now)), UTC)
            headers[f"anthropic-ratelimit-{name}-limit"] = str(bucket.limit)
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(bucket.remaining(now))
            headers[f"anthropic-ratelimit-{name}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
        return headers

    def openai_headers(self, now: float) -> dict[str, str]:
        """`x-ratelimit-…`; a reset is a duration such as "6m0s" or "120ms"."""
        headers: dict[str, str] = {}
        for name, bucket in (("requests", self.requests), ("tokens", self.tokens)):
            headers[f"x-ratelimit-limit-{name}"] = str(bucket.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(bucket.remaining(now))
            headers[f"x-ratelimit-reset-{name}"] = duration(bucket.full_in_s(now))
        return headers


class LimitBook:
    """The limiters of all workspaces and models, under limits that may be changed while they run."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._limiters: dict[tuple[str, str, str], Limiter] = {}

    def of(self, provider: str, workspace: str, model: str) -> Limiter:
        """The limiter for calls of this workspace to this model."""
        key = (provider, workspace, model)
        if key not in self._limiters:
            self._limiters[key] = Limiter(self.limits)
        return self._limiters[key]

    def change(self, now: float, **limits: int | float | None) -> Limits:
        """Set other limits, named as the fields of Limits, for all limiters, those to come too."""
        self.limits = replace(self.limits, **limits)  # type: ignore[arg-type]
        for limiter in self._limiters.values():
            limiter.change(self.limits, now)
        return self.limits

    def reset(self, limits: Limits) -> None:
        """Start again with full buckets of these limits."""
        self.limits = limits
        self._limiters.clear()


def duration(seconds: float) -> str:
    """OpenAI's way to write a duration: "120ms", "1.5s", "6m0s"."""
    if seconds < 1:
        return f"{int(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{int(rest)}s" if minutes else f"{rest:.3g}s"
