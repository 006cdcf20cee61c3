"""What a Gemini batch is asked: the lines of its file or its inline requests, and what is wrong with them as a whole."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from simulator.batches import Row
from simulator.calls import Call
from simulator.errors import ApiError
from simulator.faults import Fault
from simulator.google_requests import FIELDS, bad, only, read_request, without_unknown

NO_JSON = Fault(fault="invalid", rate=1.0, variant="not_json")
"""The answer of a model that was given no schema, or one that it did not follow."""


class BadInput(Exception):
    """The input cannot be worked as a whole; the message says why."""


def lines(content: bytes) -> Iterator[tuple[str, Any]]:
    """Key and request of each line of a file; raises BadInput."""
    for number, raw in enumerate(content.split(b"\n"), start=1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw)
        except ValueError as broken:
            raise BadInput(f"Line {number} is not valid JSON.") from broken
        if not isinstance(value, dict) or set(value) != {"key", "request"}:
            raise BadInput(f"Line {number} is not an object of 'key' and 'request'.")
        if not isinstance(value["key"], str) or not value["key"]:
            raise BadInput(f"Line {number}: key is not a non-empty string.")
        yield value["key"], value["request"]


def inline(requests: Any) -> list[tuple[str, Any]]:
    """Key and request of each inline request; raises ApiError 400. One without a key in its metadata goes by its place."""
    given = only(requests, "batch.inputConfig.requests", ("requests",)).get("requests")
    if not isinstance(given, list) or not given:
        raise bad("batch.inputConfig.requests.requests: must not be empty.")
    asked: list[tuple[str, Any]] = []
    for number, each in enumerate(given):
        only(each, f"batch.inputConfig.requests.requests[{number}]", ("request", "metadata"))
        asked.append((str(each.get("metadata", {}).get("key", number)), each.get("request")))
    return asked


def rows(call: Call, model: str, asked: Iterable[tuple[str, Any]]) -> list[Row]:
    """The rows of a batch; raises BadInput. What is wrong with one request shows when its row is worked."""
    simulation = call.simulation
    read: list[Row] = []
    seen: set[str] = set()
    for key, request in asked:
        if key in seen:
            raise BadInput(f"The key {key!r} occurs twice.")
        seen.add(key)
        flat = isinstance(request, dict) and any(name not in FIELDS for name in request)
        ignored = flat and simulation.settings.google_flat_requests == "ignored"
        try:
            prompt = read_request(
                without_unknown(request) if ignored else request, model, simulation.models, simulation.settings
            )
        except ApiError as error:
            read.append(Row(key, None, None, error))
            continue
        fault = NO_JSON if ignored else simulation.row_fault(prompt, call.endpoint)
        if fault is None and _by_json_schema(request):
            drawn = simulation.faults.draw(("malformed_json_schema",), "google", call.endpoint, prompt.sha256)
            fault = None if drawn is None else NO_JSON
        read.append(Row(key, prompt, fault, None))
    if not read:
        raise BadInput("The input holds no requests.")
    return read


def _by_json_schema(request: Any) -> bool:
    return isinstance(request, dict) and "responseJsonSchema" in request.get("generationConfig", {})


def schemas(read: Iterable[Row]) -> int:
    """How many different answer schemas the rows name."""
    return len({json.dumps(row.prompt.schema) for row in read if row.prompt is not None and row.prompt.schema is not None})
