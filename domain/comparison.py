"""One comparison: where it stands in the log, and what must be equal for two of them to share a bundle."""

import hashlib
from dataclasses import dataclass

BLOCK_JOINT = "\n\n"  # between prompt blocks: joined by it they equal the user_prompt (docs/contract.md#requests)


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A comparison's name inside its partition: the inbound record's offset and the position in that record.

    Never a correlation id: ids are the producer's and may repeat, an offset cannot.
    """

    offset: int
    position: int


@dataclass(frozen=True, slots=True)
class CallProfile:
    """What must be equal for two comparisons to share a bundle."""

    provider: str
    model: str
    callback_topic: str
    system_prompt: str
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str | None = None
    output_verbosity: str | None = None

    def digest(self) -> str:
        """The first 16 hex digits of a sha256 over all fields."""
        # dataclasses.astuple gives the same, but copies each value deeply and takes five times as long.
        fields = tuple(getattr(self, name) for name in self.__slots__)
        return hashlib.sha256(repr(fields).encode()).hexdigest()[:16]
