"""A request to a model, as the parser of each API hands it on."""

import hashlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """A point up to which Anthropic is asked to cache: the prefix's sha256, its bytes, its lifetime in seconds."""

    prefix_sha256: str
    prefix_bytes: int
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked. `text` is the user's content, its blocks joined by a blank line.

    `thoughts`: tokens that the model thinks before it answers; they count into `max_tokens`.
    """

    provider: str
    model: str
    text: str
    system: str
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    breakpoints: tuple[Breakpoint, ...] = ()
    thoughts: int = 0

    @property
    def sha256(self) -> str:
        """Hex sha256 of `text`: equal to the `prompt_sha256` that a result event carries for one comparison."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def utf8_bytes(self) -> int:
        """Bytes of system and user text, from which tokens are estimated."""
        return len(self.text.encode()) + len(self.system.encode())
