"""Tokens for OAUTHBEARER: asked for as RFC 6749 says, kept while they are good, and refusals in words without the secret."""

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiokafka.errors import KafkaError

from streams.kafka_tokens import Token, TokenRefused, Tokens, TokenUnavailable, tokens
from streams.settings_kafka import KafkaSettings

SECRET = "a secret of the client"


class TokenServer(HTTPServer):
    """Answers as told, and remembers what it was asked."""

    def __init__(self, status: int, answer: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.answer, self.asked = status, answer, list[dict[str, Any]]()


class Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append({"form": parse_qs(body), **self.headers})
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def token_server(status: int, answer: object) -> Iterator[TokenServer]:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    with TokenServer(status, body) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def source(port: int, scope: str | None = None) -> Tokens:
    return tokens(
        KafkaSettings.model_validate(
            {
                "kafka_security_protocol": "SASL_PLAINTEXT",
                "kafka_sasl_mechanism": "OAUTHBEARER",
                "kafka_oauth_token_url": f"http://127.0.0.1:{port}/token",
                "kafka_oauth_client_id": "me",
                "kafka_oauth_client_secret": SECRET,
                "kafka_oauth_scope": scope,
            }
        )
    )


async def test_a_token_is_asked_for_with_the_clients_credentials_and_kept() -> None:
    with token_server(200, {"access_token": "the-token", "expires_in": 3600, "token_type": "Bearer"}) as server:
        found = source(server.server_port, "kafka")
        assert [await found.token(), await found.token()] == ["the-token", "the-token"]
        (asked,) = server.asked
    assert asked["form"] == {"grant_type": ["client_credentials"], "scope": ["kafka"]}
    assert base64.b64decode(asked["Authorization"].removeprefix("Basic ")).decode() == f"me:{SECRET}"
    assert "the-token" not in repr(found.current())


def test_a_new_token_is_got_before_the_old_one_ends() -> None:
    now, given = [1_000.0], iter([Token("first", 1_100.0), Token("second", 1_200.0)])
    found = Tokens(lambda: next(given), lambda: now[0])
    assert found.current().value == "first"
    now[0] = 1_079.0
    assert found.current().value == "first"
    now[0] = 1_080.0
    assert found.current().value == "second"


@pytest.mark.parametrize(
    ("status", "answer", "error", "said"),
    [
        (401, {"error": "invalid_client", "error_description": f"not {SECRET}"}, TokenRefused, "401 invalid_client not …"),
        (400, b"<html>", TokenRefused, "400 without a reason"),
        (200, b"<html>", TokenRefused, "no JSON object with access_token"),
        (200, ["access_token"], TokenRefused, "no JSON object with access_token"),
        (200, {"token": "x"}, TokenRefused, "no JSON object with access_token"),
        (503, b"", TokenUnavailable, "503 without a reason"),
        (429, {"error": "slow_down"}, TokenUnavailable, "429 slow_down"),
    ],
)
async def test_no_token_is_said_in_words(status: int, answer: object, error: type[KafkaError], said: str) -> None:
    with token_server(status, answer) as server:
        with pytest.raises(error) as caught:
            await source(server.server_port).token()
        assert f"KAFKA_OAUTH_TOKEN_URL=http://127.0.0.1:{server.server_port}/token" in str(caught.value)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_a_server_that_is_not_there_is_asked_again() -> None:
    with token_server(200, {}) as server:
        port = server.server_port
    with pytest.raises(TokenUnavailable, match="cannot be reached"):
        await source(port).token()


def iam() -> Tokens:
    return tokens(
        KafkaSettings.model_validate(
            {
                "kafka_security_protocol": "SASL_SSL",
                "kafka_sasl_mechanism": "OAUTHBEARER",
                "kafka_oauth_msk_region": "eu-north-1",
            }
        )
    )


def test_amazons_token_is_signed_with_the_machines_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    token = iam().current()
    url = base64.urlsafe_b64decode(token.value + "=" * (-len(token.value) % 4)).decode()
    assert url.startswith("https://kafka.eu-north-1.amazonaws.com/?Action=kafka-cluster%3AConnect")
    assert "AKIAEXAMPLE" in url
    assert SECRET not in url


def test_without_aws_credentials_it_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/no/such/file")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(TokenRefused, match="KAFKA_OAUTH_MSK_REGION=eu-north-1: there are no AWS credentials"):
        iam().current()
