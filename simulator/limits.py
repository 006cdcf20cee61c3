"""Requests and tokens a minute: token buckets, and the headers that tell how full they are."""

import time

UNLIMITED = 1_000_000_000
"""What the headers show where no limit is set."""


class Bucket:
    """A token bucket that holds a minute's worth and refills evenly. Times are seconds since 1970."""

    def __init__(self, per_minute: int | None) -> None:
        self.limit = per_minute or UNLIMITED
        self._level = float(self.limit)
        self._at: float | None = None

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._level = min(self.limit, self._level + max(0.0, now - self._at) * self.limit / 60)
        self._at = now

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` is there, 0 if it is now. More than the bucket holds waits for a full one."""
        self._refill(now)
        lacking = min(amount, self.limit) - self._level
        return max(0.0, lacking * 60 / self.limit)

    def take(self, amount: float, now: float) -> None:
        self._refill(now)
        self._level = max(0.0, self._level - amount)

    def remaining(self, now: float) -> int:
        self._refill(now)
        return int(self._level)

    def full_in_s(self, now: float) -> float:
        self._refill(now)
        return (self.limit - self._level) * 60 / self.limit


class Limiter:
    """The two buckets of one workspace at one provider."""

    def __init__(self, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        self.requests = Bucket(requests_per_minute)
        self.tokens = Bucket(tokens_per_minute)

    def admit(self, tokens: int, now: float) -> float:
        """Take one request of `tokens` tokens and return 0, or take nothing and return the seconds to wait."""
        wait_s = max(self.requests.wait_s(1, now), self.tokens.wait_s(tokens, now))
        if wait_s > 0:
            return wait_s
        self.requests.take(1, now)
        self.tokens.take(tokens, now)
        return 0.0

    def anthropic_headers(self, now: float) -> dict[str, str]:
        """`anthropic-ratelimit-…`; a reset is a timestamp."""
        headers: dict[str, str] = {}
        for name, bucket in (
            ("requests", self.requests),
            ("tokens", self.tokens),
            ("input-tokens", self.tokens),
            ("output-tokens", Bucket(None)),
        ):
            reset = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + bucket.full_in_s(now)))
            headers[f"anthropic-ratelimit-{name}-limit"] = str(bucket.limit)
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(bucket.remaining(now))
            headers[f"anthropic-ratelimit-{name}-reset"] = reset
        return headers

    def openai_headers(self, now: float) -> dict[str, str]:
        """`x-ratelimit-…`; a reset is a duration such as "6m0s" or "120ms"."""
        headers: dict[str, str] = {}
        for name, bucket in (("requests", self.requests), ("tokens", self.tokens)):
            headers[f"x-ratelimit-limit-{name}"] = str(bucket.limit)
            headers[f"x-ratelimit-remaining-{name}"] = str(bucket.remaining(now))
            headers[f"x-ratelimit-reset-{name}"] = duration(bucket.full_in_s(now))
        return headers


def duration(seconds: float) -> str:
    """OpenAI's way to write a duration: "120ms", "1.5s", "6m0s"."""
    if seconds < 1:
        return f"{int(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{int(rest)}s" if minutes else f"{rest:.3g}s"
