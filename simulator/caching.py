"""The providers' prompt caches: how much of a prompt is read from a cache or written to it."""

import hashlib

from simulator.prices import BYTES_PER_TOKEN, Usage, estimated_tokens
from simulator.prompts import Prompt

ANTHROPIC_SHORTEST = 512
"""Prompts of fewer tokens than this are not cached by Anthropic's 5.5 models."""

OPENAI_SHORTEST = 1024
"""Tokens of the prefix that OpenAI caches without being asked. The simulator looks for no longer common prefixes."""

OPENAI_TTL_S = 300
"""Seconds for which a prefix lives that was cached unasked, at OpenAI and at Google."""

GOOGLE_SHORTEST, GOOGLE_2_SHORTEST = 4096, 2048
"""Tokens of the prefix that Google caches without being asked, on models from 3 on and on 2.5."""


def _unasked(prompt: Prompt) -> int:
    if prompt.provider != "google":
        return OPENAI_SHORTEST
    return GOOGLE_2_SHORTEST if prompt.model.startswith("gemini-2") else GOOGLE_SHORTEST


class PrefixCache:
    """Prefixes seen lately, by workspace and model, each with the time until which it lives (seconds since 1970).

    `minute_s` is how many seconds a minute of their lifetimes lasts.
    """

    def __init__(self, minute_s: float = 60.0) -> None:
        self._minute_s = minute_s
        self._until: dict[tuple[str, str, str], float] = {}

    def clear(self) -> None:
        self._until.clear()

    def usage(self, workspace: str, prompt: Prompt, output_tokens: int, now: float) -> Usage:
        """The tokens of `prompt`, and which of them the cache held. What the prompt asks to be cached is held from now on."""
        total = estimated_tokens(prompt.utf8_bytes)
        if prompt.provider == "anthropic":
            return self._asked_for(workspace, prompt, total, output_tokens, now)
        shortest = _unasked(prompt)
        if total < shortest:
            return Usage(total, output_tokens)
        prefix = (prompt.system + prompt.text).encode()[: shortest * BYTES_PER_TOKEN]
        held = self._hold((workspace, prompt.model, hashlib.sha256(prefix).hexdigest()), OPENAI_TTL_S, now)
        return Usage(total, output_tokens, cache_read=shortest if held else 0)

    def uncached_tokens(self, workspace: str, prompt: Prompt, now: float) -> int:
        """The input tokens of `prompt` that the cache does not hold; nothing is written to it."""
        held = [
            estimated_tokens(point.prefix_bytes)
            for point in prompt.breakpoints
            if self._until.get((workspace, prompt.model, point.prefix_sha256), 0.0) > now
        ]
        total = estimated_tokens(prompt.utf8_bytes)
        return total - min(total, max(held, default=0))

    def _asked_for(self, workspace: str, prompt: Prompt, total: int, output_tokens: int, now: float) -> Usage:
        read = written = 0
        by_ttl = {300: 0, 3600: 0}
        for point in prompt.breakpoints:
            tokens = min(total, estimated_tokens(point.prefix_bytes))
            if tokens < ANTHROPIC_SHORTEST:
                continue
            if self._hold((workspace, prompt.model, point.prefix_sha256), point.ttl_s, now):
                # A held prefix contains the shorter ones.
                read, by_ttl = tokens, {300: 0, 3600: 0}
            else:
                by_ttl[point.ttl_s] += tokens - max(read, written)
            written = tokens
        return Usage(total, output_tokens, read, by_ttl[300], by_ttl[3600])

    def _hold(self, key: tuple[str, str, str], ttl_s: int, now: float) -> bool:
        """Whether `key` was held; afterwards it is, for `ttl_s` from now."""
        held = self._until.get(key, 0.0) > now
        self._until[key] = now + ttl_s * self._minute_s / 60
        return held
