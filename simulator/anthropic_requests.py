"""Reads the params of an Anthropic message, as strictly as the API does."""

import hashlib
from typing import Any

from simulator.errors import ApiError
from simulator.models import Models
from simulator.prompts import Breakpoint, Prompt
from simulator.schemas import anthropic_complaint

PARAMS = frozenset(
    {
        "cache_control",
        "container",
        "diagnostics",
        "inference_geo",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)
"""The fields of `MessageCreateParams` in the SDK, 2.12.0."""

GONE = ("temperature", "top_p", "top_k")

UNSUPPORTED_HERE = ("container", "tools", "tool_choice")
"""Fields of the API that the simulator does not support."""

EFFORTS = ("low", "medium", "high", "xhigh", "max")
TTL_S = {"5m": 300, "1h": 3600}
MOST_BREAKPOINTS = 4
ANY_MODEL = Models()


def bad(message: str) -> ApiError:
    return ApiError(400, message)


def only(value: Any, where: str, allowed: frozenset[str] | tuple[str, ...]) -> dict[str, Any]:
    """`value` if it is an object without other fields than `allowed`; otherwise raises ApiError 400."""
    if not isinstance(value, dict):
        raise bad(f"{where}: Input should be an object")
    for key in value:
        if key not in allowed:
            raise bad(f"{where + '.' if where else ''}{key}: Extra inputs are not permitted")
    return value


class _Prefix:
    """The prompt read so far, and the points up to which it is to be cached."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._bytes = 0
        self.points: list[Breakpoint] = []

    def add(self, text: str) -> None:
        encoded = text.encode()
        self._hash.update(encoded)
        self._bytes += len(encoded)

    def mark(self, control: Any, where: str) -> None:
        if control is None:
            return
        only(control, where, ("type", "ttl"))
        ttl = control.get("ttl", "5m")
        if control.get("type") != "ephemeral" or ttl not in TTL_S:
            raise bad(f"{where}: Input should be of type 'ephemeral' with a ttl of '5m' or '1h'")
        if self.points and TTL_S[ttl] > self.points[-1].ttl_s:
            raise bad(f"{where}: a ttl='1h' cache_control block must not come after a ttl='5m' one")
        self.points.append(Breakpoint(self._hash.hexdigest(), self._bytes, TTL_S[ttl]))
        if len(self.points) > MOST_BREAKPOINTS:
            raise bad(f"A maximum of 4 blocks with cache_control may be provided. Found {len(self.points)}.")

    def read(self, content: Any, where: str) -> list[str]:
        """The texts of a string or of a list of text blocks."""
        if isinstance(content, str):
            self.add(content)
            return [content]
        if not isinstance(content, list):
            raise bad(f"{where}: Input should be a valid string or a list of blocks")
        texts: list[str] = []
        for number, block in enumerate(content):
            at = f"{where}.{number}"
            only(block, at, ("type", "text", "cache_control", "citations"))
            if block.get("type") != "text":
                raise bad(f"{at}.type: this server reads blocks of type 'text' only, not {block.get('type')!r}")
            if not isinstance(block.get("text"), str):
                raise bad(f"{at}.text: Input should be a valid string")
            if not block["text"]:
                raise bad(f"{where}: text content blocks must be non-empty")
            self.add(block["text"])
            texts.append(block["text"])
            self.mark(block.get("cache_control"), f"{at}.cache_control")
        return texts


def _messages(messages: Any, prefix: _Prefix) -> list[str]:
    if not isinstance(messages, list) or not messages:
        raise bad("messages: at least one message is required")
    texts: list[str] = []
    for number, message in enumerate(messages):
        only(message, f"messages.{number}", ("role", "content"))
        if message.get("role") not in ("user", "assistant"):
            raise bad(f"messages.{number}.role: Input should be 'user' or 'assistant'")
        read = prefix.read(message.get("content"), f"messages.{number}.content")
        if not any(text.strip() for text in read):
            raise bad(f"messages.{number}: all messages must have non-empty content")
        texts += read
    if messages[-1]["role"] != "user":
        raise bad("This model does not support assistant message prefill. The conversation must end with a user message.")
    return texts


def _schema(config: Any) -> dict[str, Any] | None:
    if config is None:
        return None
    only(config, "output_config", ("effort", "format"))
    if config.get("effort") not in (None, *EFFORTS):
        raise bad(f"output_config.effort: Input should be one of {', '.join(EFFORTS)}")
    wanted = config.get("format")
    if wanted is None:
        return None
    only(wanted, "output_config.format", ("type", "schema"))
    if wanted.get("type") != "json_schema":
        raise bad("output_config.format.type: Input should be 'json_schema'")
    if "schema" not in wanted:
        raise bad("output_config.format.schema: Field required")
    complaint = anthropic_complaint(wanted["schema"])
    if complaint is not None:
        raise bad(complaint)
    schema: dict[str, Any] = wanted["schema"]
    return schema


def read_params(params: Any, models: Models = ANY_MODEL) -> Prompt:
    """The prompt in `params`; raises ApiError 400 for a bad request, 404 for an unknown model."""
    if isinstance(params, dict):
        for name in GONE:
            if name in params:
                raise bad(f"{name}: `{name}` is not supported on this API version. Remove it from the request.")
    only(params, "", PARAMS)
    for name in ("model", "max_tokens", "messages"):
        if name not in params:
            raise bad(f"{name}: Field required")
    for name in UNSUPPORTED_HERE:
        if name in params:
            raise bad(f"{name}: this server does not support it")
    if params.get("stream"):
        raise bad("stream: this server does not stream; leave it out")
    model, max_tokens = params["model"], params["max_tokens"]
    if not models.knows("anthropic", model):
        raise ApiError(404, f"model: {model}")
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1:
        raise bad("max_tokens: Input should be greater than or equal to 1")
    models.check_anthropic(model, params.get("output_config"))
    if "metadata" in params:
        only(params["metadata"], "metadata", ("user_id",))
    prefix = _Prefix()
    system = prefix.read(params["system"], "system") if "system" in params else []
    texts = _messages(params["messages"], prefix)
    prefix.mark(params.get("cache_control"), "cache_control")
    return Prompt(
        provider="anthropic",
        model=model,
        text="\n\n".join(texts),
        system="\n\n".join(system),
        schema=_schema(params.get("output_config")),
        max_tokens=max_tokens,
        breakpoints=tuple(prefix.points),
    )
