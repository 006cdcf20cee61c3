"""A gateway as a process of its own, and clients that post to it: as CJ's does, and as plainly as can be."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.brokers.ports import free_ports
from tests.harness.worker import RoundbatchProcess

CLIENT_S = 60.0  # for how long CJ waits for one answer
WAITS_S = (1.0, 2.0)  # between CJ's three attempts
_AGAIN = frozenset({408, 429, 500, 502, 503, 504, 505})
PATH = "/api/v1/comparison"
JSON = {"Content-Type": "application/json"}


class GatewayProcess(RoundbatchProcess):
    """`roundbatch gateway`; started again it has the same port."""

    def __init__(self, env: Mapping[str, str], log: Path, port: int | None = None) -> None:
        port = free_ports(1)[0] if port is None else port
        super().__init__("gateway", {**env, "ROUNDBATCH_GATEWAY__PORT": str(port)}, log, port)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `told` is the JSON of it."""

    status: int
    told: Any
    headers: dict[str, str]
    lasted_s: float


def ask(port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One request over a connection of its own. Raises OSError and http.client.HTTPException where it is refused or cut."""
    began_s = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLIENT_S)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    json_sent = (response.headers.get_content_type()) == "application/json"
    told = json.loads(content) if json_sent else content.decode()
    named = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status, told, named, time.monotonic() - began_s)


def post(port: int, body: bytes | dict[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
    """One post of a comparison, not repeated."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(port, "POST", PATH, content, {**JSON, **(headers or {})})


class GivenUp(Exception):
    """CJ would give its batch up, with what it got last."""


def post_as_cj(port: int, body: dict[str, Any]) -> Answer:
    """Post as CJ's client does: three attempts, 1 s and 2 s between them, each of 60 s at most; a timeout is not repeated."""
    last: Answer | Exception | None = None
    for wait_s in (*WAITS_S, None):
        try:
            last = post(port, body)
        except TimeoutError as error:
            raise GivenUp("no answer in 60 s") from error
        except (OSError, http.client.HTTPException) as error:
            last = error
        else:
            if not isinstance(last.told, dict):
                raise GivenUp(last)
            if last.status == 202 and last.told.get("queue_id"):
                return last
            if last.status not in _AGAIN:
                raise GivenUp(last)
        if wait_s is not None:
            time.sleep(wait_s)
    raise GivenUp(last)
