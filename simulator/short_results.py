"""Results that come incomplete: downloads that end early without an error, and counts that do not fit the results."""

import json
from typing import Any

from simulator.calls import Call


def download(call: Call, content: bytes) -> bytes:
    """The part of a result file that is sent: all of it, unless an armed fault shortens it."""
    fault = call.simulation.faults.draw(("short_download",), call.provider, call.endpoint, call.endpoint, call.api_key)
    return content if fault is None else shortened(content, fault.variant)


def shortened(content: bytes, variant: str) -> bytes:
    """The first half of the lines, nothing, all but the second half of the last line, or an error object with status 200."""
    lines = content.splitlines(keepends=True)
    match variant:
        case "half":
            return b"".join(lines[: len(lines) // 2])
        case "mid_line":
            return b"".join([*lines[:-1], *(line[: len(line) // 2] for line in lines[-1:])])
        case "error_body":
            return json.dumps({"error": {"message": "upstream connect error", "type": "server_error"}}).encode()
        case _:
            return b""


def counts(call: Call, shown: dict[str, Any], *, answered: str) -> dict[str, Any]:
    """A batch as it is shown, with `request_counts` as an armed fault wants them; `answered` names the count of answers."""
    fault = call.simulation.faults.draw(("odd_counts",), call.provider, call.endpoint, call.endpoint, call.api_key)
    if fault is None:
        return shown
    told: dict[str, int] = shown["request_counts"]
    match fault.variant:
        case "high":  # one answer more than there is
            more = {key: told[key] + 1 for key in (answered, "total") if key in told}
            return {**shown, "request_counts": {**told, **more}}
        case "low":
            return {**shown, "request_counts": {key: value // 2 for key, value in told.items()}}
        case "zero":
            return {**shown, "request_counts": dict.fromkeys(told, 0)}
        case _:
            return {**shown, "request_counts": None}
