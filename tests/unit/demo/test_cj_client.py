"""The demo's CJ service over HTTP: posts, attempts and connections as the real one has them."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from demo.cj_client import AT_ONCE, CJClient, PostFailed, Verdict, verdict
from tests.waiting import LIMIT_S

ACCEPTED = b'{"queue_id": "6c1a7a3e-0000-5000-8000-000000000001", "status": "queued"}'
ERROR = b'{"error": "Kafka does not answer"}'


def bodies(count: int) -> list[dict[str, Any]]:
    return [{"user_prompt": f"Ess\u00e4 {number}", "correlation_id": f"id-{number}"} for number in range(count)]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, ACCEPTED, Verdict.ACCEPTED),
        (202, b'{"status": "queued"}', Verdict.FAILED),
        (202, b'{"queue_id": ""}', Verdict.FAILED),
        (202, b"[]", Verdict.FAILED),
        (200, ACCEPTED, Verdict.FAILED),
        (201, ACCEPTED, Verdict.FAILED),
        (204, b"", Verdict.FAILED),
        (400, ERROR, Verdict.FAILED),
        (413, ERROR, Verdict.FAILED),
        (422, b'{"is_retryable": true}', Verdict.AGAIN),
        (408, ERROR, Verdict.AGAIN),
        (429, ERROR, Verdict.AGAIN),
        (500, ERROR, Verdict.AGAIN),
        (502, ERROR, Verdict.AGAIN),
        (503, ERROR, Verdict.AGAIN),
        (503, b'"down"', Verdict.FAILED),
        (503, b"[]", Verdict.FAILED),
        (503, b"<html>", Verdict.FAILED),
    ],
)
def test_an_answer_is_judged_as_cj_judges_it(status: int, body: bytes, expected: Verdict) -> None:
    assert verdict(status, body) is expected


@dataclass
class Played:
    """A client, what it posted, and its waits between attempts."""

    client: CJClient
    posted: list[httpx2.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)


def played(answer: Callable[[int], httpx2.Response], url: str = "http://llm_provider_service:8080/api/v1/") -> Played:
    """A client whose posts are answered by `answer`, which is given their number, counted from 1."""

    def take(request: httpx2.Request) -> httpx2.Response:
        found.posted.append(request)
        return answer(len(found.posted))

    found = Played(CJClient(url, transport=httpx2.MockTransport(take), pause=lambda seconds: found.pauses.append(seconds)))
    return found


def test_a_comparison_is_posted_as_ascii_json_below_the_url() -> None:
    found = played(lambda _: httpx2.Response(202, content=ACCEPTED))
    with found.client as client:
        client.ask("138", bodies(1))
    (request,) = found.posted
    assert (request.method, str(request.url)) == ("POST", "http://llm_provider_service:8080/api/v1/comparison")
    assert request.headers["content-type"] == "application/json"
    assert request.content == b'{"user_prompt": "Ess\\u00e4 0", "correlation_id": "id-0"}'


def test_a_refusal_that_passes_costs_two_waits_and_sends_the_same_bytes() -> None:
    found = played(lambda number: httpx2.Response(503, content=ERROR) if number < 3 else httpx2.Response(202, content=ACCEPTED))
    with found.client as client:
        client.ask("138", bodies(1))
    assert found.pauses == [1.0, 2.0]
    assert len({request.content for request in found.posted}) == 1


@pytest.mark.parametrize(
    ("answer", "attempts", "said"),
    [
        (lambda _: httpx2.Response(503, content=ERROR), 3, "503.*Kafka does not answer"),
        (lambda _: httpx2.Response(400, content=ERROR), 1, "400"),
        (lambda _: httpx2.Response(202, content=b"{}"), 1, "202"),
    ],
)
def test_what_is_not_accepted_is_said(answer: Callable[[int], httpx2.Response], attempts: int, said: str) -> None:
    found = played(answer)
    with found.client as client, pytest.raises(PostFailed, match=f"id-0 was not accepted.*{said}"):
        client.ask("138", bodies(1))
    assert len(found.posted) == attempts


@pytest.mark.parametrize(("error", "attempts"), [(httpx2.ConnectError("refused"), 3), (httpx2.ReadTimeout("silence"), 1)])
def test_a_broken_connection_is_tried_again_and_silence_is_not(error: Exception, attempts: int) -> None:
    def answer(_: int) -> httpx2.Response:
        raise error

    found = played(answer)
    with found.client as client, pytest.raises(PostFailed, match="answer"):
        client.ask("138", bodies(1))
    assert len(found.posted) == attempts


@dataclass
class Service:
    """A real HTTP service that accepts everything once three posts are there at the same time."""

    url: str
    together: threading.Barrier
    connections: set[Any] = field(default_factory=set)
    posted: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.connections.add(self.client_address)
            found.posted.append(body)
            found.together.wait(LIMIT_S)
            self.send_response(202)
            self.send_header("Content-Length", str(len(ACCEPTED)))
            self.end_headers()
            self.wfile.write(ACCEPTED)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Service(f"http://127.0.0.1:{server.server_port}/api/v1", threading.Barrier(AT_ONCE))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def test_three_posts_are_under_way_at_once_on_connections_that_are_kept(service: Service) -> None:
    with CJClient(service.url) as client:
        client.ask("138", bodies(6))
        client.ask("139", bodies(3))
    assert sorted(body["correlation_id"] for body in service.posted) == sorted(
        [body["correlation_id"] for body in bodies(6)] + [body["correlation_id"] for body in bodies(3)]
    )
    assert len(service.connections) == AT_ONCE
