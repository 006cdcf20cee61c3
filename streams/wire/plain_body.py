"""The bodies that producers usually send, read by msgspec in a fifth of the time that pydantic takes.

A body is plain when it has no field that we do not know, no number in its metadata but whole ones, nothing nested there, and
nothing that pydantic would have to convert. What is not plain is not wrong: `streams.wire.comparison_body` reads it, or says in
words what is wrong. Both give the same values (tests/unit/streams/test_plain_body.py).
"""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct, field

from streams.wire.comparison_body import MAX_NAME, MAX_TOPIC

_Name = Annotated[str, Meta(max_length=MAX_NAME, pattern=r"\A[ -~]*\Z")]
_SMALL = 1e-4  # floats below it have another spelling in Python's JSON
_SORTED = msgspec.json.Encoder(order="sorted")


class PlainBlock(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """See comparison_body.PromptBlock."""

    content: str
    target: Literal["user_content"] = "user_content"
    cacheable: bool = False
    ttl: Literal["5m", "1h"] = "5m"
    content_hash: str | None = None


class PlainOverrides(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """See comparison_body.CallOverrides."""

    provider_override: _Name | None = None
    model_override: _Name | None = None
    temperature_override: Annotated[float, Meta(ge=0, le=2)] | None = None
    system_prompt_override: str | None = None
    max_tokens_override: Annotated[int, Meta(gt=0)] | None = None
    reasoning_effort: Literal["none", "low", "medium", "high"] | None = None
    output_verbosity: Literal["low", "medium", "high"] | None = None


_NO_OVERRIDES = PlainOverrides()


class PlainBody(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """See comparison_body.ComparisonBody."""

    user_prompt: str
    callback_topic: Annotated[str, Meta(min_length=1, max_length=MAX_TOPIC)]
    correlation_id: UUID
    prompt_blocks: tuple[PlainBlock, ...] | None = None
    overrides: PlainOverrides | None = field(default=None, name="llm_config_overrides")
    user_id: str | None = None
    metadata: dict[str, str | bool | int | None] = {}

    @property
    def llm_config_overrides(self) -> PlainOverrides:
        """What the request sets for its own call."""
        return self.overrides or _NO_OVERRIDES


def plain_body(raw: Any) -> PlainBody | None:
    """The body, if it is plain."""
    try:
        body = msgspec.convert(raw, PlainBody)
    except msgspec.ValidationError:
        return None
    return None if not body.user_prompt or body.user_prompt.isspace() else body


def plain_content(raw: Any, body: PlainBody) -> bytes | None:
    """The member's JSON with sorted keys, as `json.dumps` writes it but in a fourth of its time; None where it may differ.

    It may differ by characters that Python escapes, and by the spelling of small floats: a plain body has no others.
    """
    temperature = body.llm_config_overrides.temperature_override
    if temperature is not None and 0 < temperature < _SMALL:
        return None
    content = _SORTED.encode(raw)
    return content if content.isascii() and b"\x7f" not in content else None
