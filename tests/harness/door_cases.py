"""Bodies of a comparison, and what both doors make of each: the post that it is in, and the record that it is in.

What the worker reads in a record decides what the gateway may refuse: a body is answered 202 only where the worker can end it
in an event, and with the same content whichever door it came through.
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from tests.harness import requests

TOPIC = "t.result"
OTHER_TOPIC = "t.other-result"
ALLOWED = (OTHER_TOPIC, TOPIC)
#: What the worker makes of it: it is asked; it ends in an error event; nobody can be told.
Reads = Literal["asked", "error", "nobody"]


@dataclass(frozen=True, slots=True)
class Case:
    """One body. `error`: how the answer's member of that name begins. `makes_id`: the gateway gives it its correlation id.

    `spills`: it is no single value, so that in an envelope it would be taken for more members of that.
    """

    name: str
    body: bytes
    status: int
    reads: Reads
    error: str = ""
    makes_id: bool = False
    spills: bool = False


def body(**more: Any) -> dict[str, Any]:
    """A body that is asked, as CJ makes it."""
    return requests.body("openai", callback_topic=TOPIC, model="gpt-5.1") | more


def without(*names: str, **more: Any) -> dict[str, Any]:
    """A body that lacks members."""
    return {name: value for name, value in body(**more).items() if name not in names}


def overrides(**more: Any) -> dict[str, Any]:
    """A body with these overrides more, or others."""
    return body(llm_config_overrides={**body()["llm_config_overrides"], **more})


def dumped(fields: object) -> bytes:
    return json.dumps(fields).encode()


def with_members(members: str, **more: Any) -> bytes:
    """A body whose first members are these, spelled so."""
    return b"{" + members.encode() + b", " + dumped(body(**more))[1:]


def nested(depth: int) -> bytes:
    return b"[" * depth + b"1" + b"]" * depth


_INVALID = "Invalid request format: "


def _cases() -> list[Case]:
    def taken(name: str, of: object, reads: Reads = "asked", **more: Any) -> Case:
        return Case(name, of if isinstance(of, bytes) else dumped(of), 202, reads, **more)

    def refused(name: str, of: object, reads: Reads, error: str, status: int = 400) -> Case:
        return Case(name, of if isinstance(of, bytes) else dumped(of), status, reads, error)

    upper = str(uuid.uuid4()).upper()
    return [
        # Taken, and asked
        taken("as CJ sends it", body()),
        taken("members in another order", dict(reversed(body().items()))),
        taken("UTF-8 that is not escaped", json.dumps(body(user_prompt="Smörgåsbord 🍞 \u2028"), ensure_ascii=False).encode()),
        taken("unknown members", body(tomorrow={"a": [1, None]}, x=True)),
        taken("no metadata", without("metadata")),
        taken("empty metadata", body(metadata={})),
        taken("no blocks", without("prompt_blocks")),
        taken("blocks null", body(prompt_blocks=None)),
        taken("another allowed topic", body(callback_topic=OTHER_TOPIC)),
        taken("unknown model", overrides(model_override="gpt-99")),
        taken("a provider without a key", overrides(provider_override="openrouter")),
        taken("provider alone", body(llm_config_overrides={"provider_override": "google"})),
        taken("temperature as text", overrides(temperature_override="0.5")),
        taken("temperature at its limit", overrides(temperature_override=2)),
        taken("overrides null", overrides(temperature_override=None, max_tokens_override=None, reasoning_effort=None)),
        taken("id in capitals", body(correlation_id=upper)),
        taken("id without hyphens", body(correlation_id=uuid.uuid4().hex)),
        taken("id as a URN", body(correlation_id=uuid.uuid4().urn)),
        taken("numbers as they are spelled", with_members('"n": [1.10, 1E2, 0.1000000000000000055, -0.0, 1e-400]')),
        taken("large integers", with_members(f'"n": [{2**64}, -{10**300}]')),
        taken("a member twice: the last one counts", with_members('"callback_topic": "t.nowhere", "user_prompt": 1')),
        taken("white space around it", b" \r\n\t" + dumped(body()) + b"\n\n"),
        taken("nested as deeply as can be read", with_members(f'"deep": {nested(198).decode()}')),
        taken("a member that a round has", body(comparisons=[], part=1)),
        taken("an event type within", body(event_type="LLMComparisonRoundRequestedV1", schema_version=9)),
        # Taken: the gateway gives it its id
        taken("no id", without("correlation_id"), "error", makes_id=True),
        taken("id null", body(correlation_id=None), "error", makes_id=True),
        # Taken: the worker tells what is wrong
        taken("empty prompt", body(user_prompt=""), "error"),
        taken("blank prompt", body(user_prompt=" \n"), "error"),
        taken("a block without content", body(prompt_blocks=[{"target": "user_content"}]), "error"),
        taken("a block that is none", body(prompt_blocks=[1]), "error"),
        taken("an unknown target", body(prompt_blocks=[{"content": "x", "target": "elsewhere"}]), "error"),
        taken("a system prompt that is a number", overrides(system_prompt_override=1), "error"),
        taken("a model's name with a control character", overrides(model_override="a\u0001"), "error"),
        taken("a user id that is a number", body(user_id=7), "error"),
        taken("a number beyond a double", with_members('"n": 1e999'), "error"),
        taken("metadata with such a number", with_members('"x": 1', metadata={}).replace(b"{}", b'{"n": -1e999}', 1), "error"),
        taken("metadata too large to be repeated", body(metadata={"cj_batch_id": "1", "a": "x" * 600_000}), "error"),
        # Refused as the service does that roundbatch replaces
        refused("no prompt", without("user_prompt"), "error", _INVALID + "user_prompt"),
        refused("prompt no text", body(user_prompt=["x"]), "error", _INVALID + "user_prompt"),
        refused("metadata null", body(metadata=None), "error", _INVALID + "metadata"),
        refused("metadata a list", body(metadata=[]), "error", _INVALID + "metadata"),
        refused("blocks no list", body(prompt_blocks={"a": 1}), "error", _INVALID + "prompt_blocks"),
        refused("unknown provider", overrides(provider_override="acme"), "asked", _INVALID + "llm_config_overrides.provider"),
        refused(
            "provider a list", overrides(provider_override=["openai"]), "error", _INVALID + "llm_config_overrides.provider"
        ),
        refused("temperature too high", overrides(temperature_override=2.01), "error", _INVALID + "llm_config_overrides: temp"),
        refused("temperature below 0", overrides(temperature_override=-1), "error", _INVALID + "llm_config_overrides: temp"),
        refused("no tokens", overrides(max_tokens_override=0), "error", _INVALID + "llm_config_overrides: max_tokens"),
        refused("unknown effort", overrides(reasoning_effort="some"), "error", _INVALID + "llm_config_overrides: reasoning"),
        refused("unknown verbosity", overrides(output_verbosity="x"), "error", _INVALID + "llm_config_overrides: output"),
        refused("overrides a list", body(llm_config_overrides=[1]), "error", _INVALID + "llm_config_overrides"),
        refused("no overrides", without("llm_config_overrides"), "asked", "Provider configuration required"),
        refused("overrides null", body(llm_config_overrides=None), "asked", "Provider configuration required"),
        refused("no provider", body(llm_config_overrides={"model_override": "x"}), "asked", "Provider configuration required"),
        refused("provider null", overrides(provider_override=None), "asked", "Provider configuration required"),
        # Refused: no event could come of it
        refused("no topic", without("callback_topic"), "nobody", _INVALID + "callback_topic"),
        refused("topic null", body(callback_topic=None), "nobody", _INVALID + "callback_topic"),
        refused("topic empty", body(callback_topic=""), "nobody", _INVALID + "callback_topic"),
        refused("topic too long", body(callback_topic="t" * 250), "nobody", _INVALID + "callback_topic"),
        refused("topic not allowed", body(callback_topic="t.nowhere"), "nobody", _INVALID + "callback_topic: 't.nowhere'"),
        refused("id no UUID", body(correlation_id="138"), "error", _INVALID + "correlation_id: '138'"),
        refused("id a number", body(correlation_id=138), "error", _INVALID + "correlation_id: 138"),
        refused("an empty object", b"{}", "nobody", "No JSON data provided"),
        refused("null", b"null", "nobody", "No JSON data provided"),
        refused("an empty list", b"[]", "nobody", "No JSON data provided"),
        refused("a list", dumped([body()]), "nobody", _INVALID),
        refused("text", b'"comparison"', "nobody", _INVALID),
        refused("nothing", b"", "nobody", "Invalid JSON"),
        refused("white space", b" \n", "nobody", "Invalid JSON"),
        refused("no JSON", b"user_prompt=x", "nobody", "Invalid JSON"),
        refused("cut short", dumped(body())[:-1], "nobody", "Invalid JSON"),
        refused("two bodies", dumped(body()) + b"," + dumped(body()), "nobody", "Invalid JSON"),
        Case("a body and more", dumped(body()) + b', "x": null', 400, "nobody", "Invalid JSON", spills=True),
        refused("NaN", with_members('"n": NaN'), "nobody", "Invalid JSON"),
        refused("half a surrogate pair", with_members('"n": "\\ud800"'), "nobody", "Invalid JSON"),
        refused("bytes that are no UTF-8", with_members('"n": "?"').replace(b"?", b"\xff"), "nobody", "Invalid JSON"),
        refused("UTF-16", json.dumps(body()).encode("utf-16"), "nobody", "Invalid JSON"),
        refused("a byte order mark", b"\xef\xbb\xbf" + dumped(body()), "nobody", "Invalid JSON"),
        refused("nested too deeply", with_members(f'"deep": {nested(199).decode()}'), "nobody", "Invalid JSON"),
        refused("an integer that cannot be read", with_members(f'"n": {"1" * 4_301}'), "nobody", "Invalid JSON"),
        refused("above 1 MiB", body(user_prompt="x" * 1_048_576), "nobody", "Request body too large", 413),
    ]


CASES = _cases()
