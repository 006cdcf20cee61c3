"""One comparison: where it stands in the log, and what must be equal for two of them to share a bundle."""

import hashlib

from msgspec import Struct
from msgspec.structs import astuple

BLOCK_JOINT = "\n\n"  # between prompt blocks: joined by it they equal the user_prompt (docs/contract.md#requests)


class Member(Struct, frozen=True, gc=False, order=True, forbid_unknown_fields=True):
    """A comparison's name inside its partition: the inbound record's offset and the position in that record.

    Never a correlation id: ids are the producer's and may repeat, an offset cannot.
    """

    offset: int
    position: int


class CallProfile(Struct, frozen=True, gc=False):
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
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:16]
