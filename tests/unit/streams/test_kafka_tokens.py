"""Tokens for OAUTHBEARER: asked for as RFC 6749 says, kept while they are good, and refusals in words without the secret."""

import base64
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiokafka.errors import KafkaError

from settings.kafka import KafkaSettings
from streams.kafka.tokens import Token, TokenRefused, Tokens, TokenUnavailable, tokens
from tests.harness.token_server import token_server

SECRET = "a secret of the client"


def source(url: str, scope: str | None = None) -> Tokens:
    return tokens(
        KafkaSettings.model_validate(
            {
                "kafka_security_protocol": "SASL_PLAINTEXT",
                "kafka_sasl_mechanism": "OAUTHBEARER",
                "kafka_oauth_token_url": url,
                "kafka_oauth_client_id": "me",
                "kafka_oauth_client_secret": SECRET,
                "kafka_oauth_scope": scope,
            }
        )
    )


async def test_a_token_is_asked_for_with_the_clients_credentials_and_kept() -> None:
    with token_server(200, lambda: {"access_token": "the-token", "expires_in": 3600, "token_type": "Bearer"}) as server:
        found = source(server.url, "kafka")
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
    with token_server(status, lambda: answer) as server:
        with pytest.raises(error) as caught:
            await source(server.url).token()
        assert f"KAFKA_OAUTH_TOKEN_URL={server.url} " in str(caught.value)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_a_server_that_is_not_there_is_asked_again() -> None:
    with token_server(200, dict) as server:
        url = server.url
    with pytest.raises(TokenUnavailable, match="cannot be reached"):
        await source(url).token()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"access_token": "the-', TokenUnavailable),
        (b"HTTP/1.1 503 Down\r\nContent-Length: 500\r\n\r\n<html>", TokenUnavailable),
        (b"HTTP/1.1 401 No\r\nContent-Length: 500\r\n\r\n<html>", TokenRefused),
        (b"SSH-2.0-OpenSSH\r\n", TokenUnavailable),
    ],
)
async def test_an_answer_that_is_cut_short_or_none_is_said_in_words_too(answer: bytes, error: type[KafkaError]) -> None:
    """An error that is none of aiokafka's own would end its tasks: the worker would hang."""

    def once(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        threads.submit(once, listener)
        with pytest.raises(error) as caught:
            await source(f"http://127.0.0.1:{listener.getsockname()[1]}/token").token()
    assert SECRET not in str(caught.value)
    assert "the-" not in str(caught.value)


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
