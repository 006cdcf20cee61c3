"""Tokens for OAUTHBEARER: got with a client's id and secret from an authorization server, or signed for IAM on Amazon MSK."""

import asyncio
import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import AuthenticationFailedError, KafkaConnectionError

from settings.kafka import KafkaSettings

_ANSWER_S = 10.0
#: A token is fetched anew when this part of its life is over: connections are made at any time, and clocks differ.
_USED_FOR = 0.8
_LIFE_S = 300.0  # where the server does not say how long a token is good
_SHOWN_LENGTH = 200
_TRY_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class TokenRefused(AuthenticationFailedError):  # type: ignore[misc]
    """There is no token for these settings; trying again does not help. The message holds no secret."""


class TokenUnavailable(KafkaConnectionError):  # type: ignore[misc]
    """There is no token at present. An error of aiokafka's own kind, for it then tries again: another would end its tasks."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and when it ends, in seconds since the epoch."""

    value: str = field(repr=False)
    ends_s: float


class Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Gives the present token, or a new one when that is near its end. May be used from every event loop and thread."""

    def __init__(self, get: Callable[[], Token], now: Callable[[], float] = time.time) -> None:
        self._get, self._now = get, now
        self._token = Token("", 0.0)
        self._renew_s = 0.0

    async def token(self) -> str:
        """The token's text, as aiokafka asks for it at each new connection. Errors: TokenRefused, TokenUnavailable."""
        return (await asyncio.to_thread(self.current)).value

    def current(self) -> Token:
        """The same without await, as librdkafka needs it: it blocks while a new token is fetched."""
        now = self._now()
        if now >= self._renew_s:
            token = self._get()
            self._token, self._renew_s = token, now + _USED_FOR * (token.ends_s - now)
        return self._token


def tokens(kafka: KafkaSettings) -> Tokens:
    """Where the tokens of these settings come from; they must be for OAUTHBEARER."""
    region = kafka.kafka_oauth_msk_region
    if region is not None:
        return Tokens(lambda: _of_msk(region))
    return Tokens(lambda: _of_client(kafka))


def _of_client(kafka: KafkaSettings) -> Token:
    url, client, secret = kafka.kafka_oauth_token_url, kafka.kafka_oauth_client_id, kafka.kafka_oauth_client_secret
    if url is None or client is None or secret is None:
        raise ValueError("OAUTHBEARER without token URL, client id and secret: KafkaSettings refuses that")
    form = {"grant_type": "client_credentials"}
    if kafka.kafka_oauth_scope is not None:
        form["scope"] = kafka.kafka_oauth_scope
    # Id and secret are not percent-encoded, though RFC 6749 asks for it: Kafka's own client and librdkafka do not do it either.
    basic = base64.b64encode(f"{client}:{secret.get_secret_value()}".encode()).decode()
    request = urllib.request.Request(
        url, urllib.parse.urlencode(form).encode(), {"Authorization": f"Basic {basic}", "Accept": "application/json"}
    )
    asked = f"KAFKA_OAUTH_TOKEN_URL={url}"
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:  # the settings allow http and https alone
            text = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            said = f"{asked} gave no token: {error.code} {_reason(_whole(error), secret.get_secret_value())}"
        if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _TRY_AGAIN:
            raise TokenUnavailable(said) from None
        raise TokenRefused(said) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise TokenRefused(f"{asked} has a certificate that is not trusted: {error.reason.verify_message}") from None
        raise TokenUnavailable(f"{asked} cannot be reached: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:  # the connection was lost, or the answer too late, cut short, or none
        raise TokenUnavailable(f"{asked} did not answer: {error!r}") from None
    try:
        given = json.loads(text)
        return Token(str(given["access_token"]), time.time() + float(given.get("expires_in") or _LIFE_S))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TokenRefused(f"{asked} gave no token: its answer is no JSON object with access_token") from None


def _whole(refusal: urllib.error.HTTPError) -> bytes:
    """The body of a refusal; empty where the body does not arrive, for the status says enough."""
    try:
        return refusal.read()
    except (OSError, http.client.HTTPException):
        return b""


def _reason(text: bytes, secret: str) -> str:
    """The server's own words (RFC 6749); the secret is taken out, should they repeat it."""
    try:
        said = json.loads(text)
        words = " ".join(str(said[name]) for name in ("error", "error_description") if name in said)
    except (ValueError, TypeError):
        return "without a reason"
    return words.replace(secret, "…").replace("\n", " ")[:_SHOWN_LENGTH]


def _of_msk(region: str) -> Token:
    # Imported only where it is used: an optional dependency, and slow to import.
    import botocore.exceptions
    import botocore.session
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

    try:
        if botocore.session.Session().get_credentials() is None:
            raise TokenRefused(
                f"KAFKA_OAUTH_MSK_REGION={region}: there are no AWS credentials (environment, profile, the machine's role)"
            )
        value, ends_ms = MSKAuthTokenProvider.generate_auth_token(region)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise TokenUnavailable(f"KAFKA_OAUTH_MSK_REGION={region}: AWS gave no credentials: {error}") from None
    return Token(value, ends_ms / 1000)
