"""The body of one comparison as producers send it (docs/contract.md#requests), and what is wrong with one that is not valid."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from domain.answer import writable

MAX_NAME = 256  # characters of a provider's or model's name: the result repeats it, and must stay below 1 MB
MAX_TOPIC = 249  # Kafka's own limit for a topic's name
MAX_PROBLEMS = 3  # a problem travels in an error event and in a header; a body can have thousands of bad blocks
MAX_SHOWN = 80  # characters of a value repeated in a problem

# Fields whose value a problem may quote. No others: what students wrote, and prompts, stay out of logs, headers and events.
_SHOWN = frozenset(
    {
        "callback_topic",
        "correlation_id",
        "target",
        "ttl",
        "cacheable",
        "temperature_override",
        "max_tokens_override",
        "reasoning_effort",
        "output_verbosity",
    }
)


def _plain(name: str) -> str:
    if name != writable(name):
        raise ValueError("has a control character: send a plain name")
    return name


# The result names provider and model, so these must be text that every store takes.
Name = Annotated[str, Field(max_length=MAX_NAME), AfterValidator(_plain)]


class _Part(BaseModel):
    """A piece of a request. Fields that it does not know are ignored: producers may be newer than this worker."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class PromptBlock(_Part):
    """One block of the prompt; `cacheable` ones at the head are a prefix that a provider may cache."""

    content: str
    target: Literal["user_content"] = "user_content"
    cacheable: bool = False
    ttl: Literal["5m", "1h"] = "5m"
    content_hash: str | None = None


class CallOverrides(_Part):
    """What the request sets for its own call. Any provider's name is valid here; whether it is configured is judged later."""

    provider_override: Name | None = None
    model_override: Name | None = None
    temperature_override: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    system_prompt_override: str | None = None
    max_tokens_override: Annotated[int, Field(gt=0)] | None = None
    reasoning_effort: Literal["none", "low", "medium", "high"] | None = None
    output_verbosity: Literal["low", "medium", "high"] | None = None


class ComparisonBody(_Part):
    """One comparison that can be asked: the body that CJ posts today, checked."""

    user_prompt: str
    callback_topic: Annotated[str, Field(min_length=1, max_length=MAX_TOPIC)]
    correlation_id: UUID
    prompt_blocks: tuple[PromptBlock, ...] | None = None
    llm_config_overrides: CallOverrides = CallOverrides()
    user_id: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @field_validator("user_prompt")
    @classmethod
    def _not_blank(cls, prompt: str) -> str:
        if not prompt or prompt.isspace():
            raise ValueError("is empty: send the complete prompt, both essays in it")
        return prompt

    @field_validator("llm_config_overrides", mode="before")
    @classmethod
    def _null_is_none_given(cls, overrides: object) -> object:
        return CallOverrides() if overrides is None else overrides


def describe(error: ValidationError, fields: frozenset[str] | None = None) -> str:
    """Say what is wrong with a body: the field, its limit, and the value where it cannot be a prompt.

    `fields`: of these only; empty where all of them are right.
    """
    found = error.errors(include_url=False, include_context=False)
    if fields is not None:
        found = [detail for detail in found if detail["loc"] and detail["loc"][0] in fields]
    told = "; ".join(_describe_one(detail) for detail in found[:MAX_PROBLEMS])
    return told if len(found) <= MAX_PROBLEMS else f"{told}; and {len(found) - MAX_PROBLEMS} more"


def shown(value: object) -> str:
    """Return a value for a message, cut to MAX_SHOWN characters; of a list or an object only its type."""
    if isinstance(value, str):
        return repr(value if len(value) <= MAX_SHOWN else value[:MAX_SHOWN] + "…")
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if abs(value) < 10**MAX_SHOWN else "an integer of more than 80 digits"
    return f"a {type(value).__name__}"


def _describe_one(detail: ErrorDetails) -> str:
    where = ".".join(str(step) for step in detail["loc"])
    message = detail["msg"].removeprefix("Value error, ")
    value = f", not {shown(detail['input'])}" if where.rpartition(".")[2] in _SHOWN and detail["type"] != "missing" else ""
    return f"{where or 'comparison'}: {message}{value}"
