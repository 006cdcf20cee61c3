"""An authorization server for OAUTHBEARER: one answer to every question for a token."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


def unsigned_token(subject: str, *, ends_in_s: int = 3_600) -> str:
    """A token as Kafka's validator for tests takes it."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": subject, "iat": now, "exp": now + ends_in_s})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


class TokenServer(ThreadingHTTPServer):
    """Answers as told, and remembers what it was asked."""

    def __init__(self, status: int, answer: Callable[[], object]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.answer, self.asked = status, answer, list[dict[str, Any]]()

    @property
    def url(self) -> str:
        """Where tokens are asked for."""
        return f"http://127.0.0.1:{self.server_port}/token"


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append({"form": parse_qs(body), **self.headers})
        answer = self.server.answer()
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def token_server(status: int, answer: Callable[[], object]) -> Iterator[TokenServer]:
    """One for as long as the context lasts; the answer is bytes, or what becomes JSON."""
    with TokenServer(status, answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
