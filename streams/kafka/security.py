"""Every client of Kafka is made here, or gets from here what its library needs to be let in (`settings.kafka`).

`check` connects once as the clients will. The libraries do not raise the reason why they were not let in: they log it, and try
again.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from settings.kafka import KafkaSettings
from streams.kafka.tokens import TokenRefused, tokens
from streams.system_words import system_words

if TYPE_CHECKING:
    from faust.auth import Credentials

# How everything of ours reads: no records of aborted transactions, none of open ones. The end of a partition is then where its
# first open transaction begins (the last stable offset), for records behind that are not delivered yet.
ISOLATION_LEVEL = "read_committed"

_HOSTNAME_MISMATCH = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL
_OTHER_BROKER_S = 15.0
_CLOSE_S = 5.0


class KafkaRefused(Exception):
    """Kafka is there, and these settings do not get in: trying again does not help. One line, without secrets."""


def client(kafka: KafkaSettings, **named: Any) -> AIOKafkaClient:
    """A client that asks for metadata alone."""
    return AIOKafkaClient(**connection(kafka), **named)


def consumer(kafka: KafkaSettings, *topics: str, **named: Any) -> AIOKafkaConsumer:
    """A consumer of these topics; without any it is assigned its partitions by hand."""
    return AIOKafkaConsumer(*topics, **connection(kafka), **{"isolation_level": ISOLATION_LEVEL, **named})


def producer(kafka: KafkaSettings, **named: Any) -> AIOKafkaProducer:
    """A producer whose records all replicas have taken."""
    return AIOKafkaProducer(**connection(kafka), acks="all", **named)


def admin(kafka: KafkaSettings, **named: Any) -> AIOKafkaAdminClient:
    """A client that looks at topics, and makes them."""
    return AIOKafkaAdminClient(**connection(kafka), **named)


def connection(kafka: KafkaSettings) -> dict[str, Any]:
    """How aiokafka connects: the arguments that all of its clients share."""
    return {"bootstrap_servers": kafka.kafka_bootstrap_servers, **_access(kafka)}


def _access(kafka: KafkaSettings) -> dict[str, Any]:
    access: dict[str, Any] = {"security_protocol": kafka.kafka_security_protocol, "ssl_context": kafka.ssl_context()}
    if kafka.kafka_uses_sasl:
        access["sasl_mechanism"] = kafka.kafka_sasl_mechanism
        if kafka.kafka_sasl_mechanism == "OAUTHBEARER":
            access["sasl_oauth_token_provider"] = tokens(kafka)
        else:
            access |= {"sasl_plain_username": kafka.kafka_sasl_username, "sasl_plain_password": _password(kafka)}
    return access


def faust_credentials(kafka: KafkaSettings) -> "Credentials | None":
    """The same as Faust takes it for its consumer and producer; None where nothing is asked for."""
    from faust import auth  # heavy, and of no use to the commands

    context = kafka.ssl_context()
    if not kafka.kafka_uses_sasl:
        return None if context is None else auth.SSLCredentials(context)
    if kafka.kafka_sasl_mechanism == "OAUTHBEARER":
        return auth.OAuthCredentials(oauth_cb=tokens(kafka), ssl_context=context)
    return auth.SASLCredentials(
        username=kafka.kafka_sasl_username,
        password=_password(kafka),
        ssl_context=context,
        mechanism=kafka.kafka_sasl_mechanism,
    )


def librdkafka(kafka: KafkaSettings) -> dict[str, Any]:
    """The same as confluent-kafka's clients take it: the part of their configuration that says where Kafka is."""
    found: dict[str, Any] = {
        "bootstrap.servers": kafka.kafka_bootstrap_servers,
        "security.protocol": kafka.kafka_security_protocol,
    }
    if kafka.kafka_uses_ssl:
        files = {
            "ssl.ca.location": kafka.kafka_ssl_ca_file,
            "ssl.certificate.location": kafka.kafka_ssl_cert_file,
            "ssl.key.location": kafka.kafka_ssl_key_file,
        }
        found |= {name: str(path) for name, path in files.items() if path is not None}
        found["ssl.endpoint.identification.algorithm"] = "https" if kafka.kafka_ssl_check_hostname else "none"
        if kafka.kafka_ssl_key_password is not None:
            found["ssl.key.password"] = kafka.kafka_ssl_key_password.get_secret_value()
    if kafka.kafka_uses_sasl:
        found["sasl.mechanism"] = kafka.kafka_sasl_mechanism
        if kafka.kafka_sasl_mechanism == "OAUTHBEARER":
            source = tokens(kafka)

            def token(_: str) -> tuple[str, float]:
                current = source.current()
                return current.value, current.ends_s

            found["oauth_cb"] = token
        else:
            found |= {"sasl.username": kafka.kafka_sasl_username, "sasl.password": _password(kafka)}
    return found


def _password(kafka: KafkaSettings) -> str | None:
    return None if kafka.kafka_sasl_password is None else kafka.kafka_sasl_password.get_secret_value()


async def check(kafka: KafkaSettings) -> None:
    """Connect to a bootstrap server, and to the brokers that it names, as every client will.

    Errors: KafkaRefused, where settings must be changed; aiokafka's KafkaConnectionError, where no Kafka answers.
    """
    access = _access(kafka)
    named: list[tuple[str, int]] = []
    refusals, failures = [], []
    for host, port, _ in collect_hosts(kafka.kafka_bootstrap_servers):
        try:
            named = await _brokers(kafka, access, host, port)
            break
        except KafkaRefused as refusal:
            refusals.append(refusal)
        except (OSError, KafkaError) as error:
            failures.append(_said(kafka, host, port, error))
    else:
        if refusals:
            raise refusals[0]
        raise KafkaConnectionError("; ".join(failures))
    found = await asyncio.gather(*(_other(kafka, access, *broker) for broker in named))
    if named and all(found):
        unreachable = "; ".join(map(str, found))
        raise KafkaConnectionError(
            f"{host}:{port} answers, and names brokers that cannot be reached (advertised.listeners): {unreachable}"
        )


async def _other(kafka: KafkaSettings, access: dict[str, Any], host: str, port: int) -> str | None:
    """Why a broker does not answer, for one may be away; None where it lets us in."""
    try:
        async with asyncio.timeout(_OTHER_BROKER_S):
            await _brokers(kafka, access, host, port)
    except (OSError, KafkaError) as error:
        return _said(kafka, host, port, error)
    return None


async def _brokers(kafka: KafkaSettings, access: dict[str, Any], host: str, port: int) -> list[tuple[str, int]]:
    """Connect, and ask for the brokers' addresses. Errors: KafkaRefused; OSError and KafkaError where there was no answer."""
    opened: list[object] = []  # a connection that was open calls on_close when it is closed; one that never was does not
    connection = AIOKafkaConnection(
        host, port, client_id="roundbatch-check", on_close=lambda *reason: opened.append(reason), **access
    )
    try:
        await connection.connect()
        answer = await connection.send(MetadataRequest([]))
        if not answer.brokers and kafka.kafka_sasl_mechanism == "OAUTHBEARER":
            # Kafka refuses a token by a challenge and not by an error (RFC 7628), and aiokafka takes that for success. The next
            # request is then refused, but its answer has no field to say so: it is empty.
            raise SaslAuthenticationFailed("it answers nothing after the token")
        return [(broker[1], broker[2]) for broker in answer.brokers]
    except (OSError, KafkaError, ValueError) as error:  # ValueError: aiokafka's, for a server that does not know the password
        refused = _refusal(kafka, f"{host}:{port}", error)
        if refused is not None:
            raise KafkaRefused(refused) from None
        raise
    finally:
        closed = connection.close()
        if opened:  # the event loop of a command may end right after this
            await asyncio.wait([closed], timeout=_CLOSE_S)


def _refusal(kafka: KafkaSettings, at: str, error: BaseException) -> str | None:
    """What Kafka, or our check of its certificate, objects to; None where the error says nothing of that."""
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    for one in causes:
        match one:
            case TokenRefused():
                return str(one.args[0])
            case ssl.SSLCertVerificationError():
                return _untrusted(kafka, at, one)
            case ssl.SSLError():
                return _tls_failed(kafka, at, one)
            case SaslAuthenticationFailed():
                who = f"user {kafka.kafka_sasl_username!r}" if kafka.kafka_sasl_username else "the token of KAFKA_OAUTH_…"
                by = "KAFKA_SASL_USERNAME and _PASSWORD" if kafka.kafka_sasl_username else "KAFKA_OAUTH_…"
                return (
                    f"Kafka at {at} does not let in {who} by {kafka.kafka_sasl_mechanism}: {_words(one)}. "
                    f"Check {by}, and that this Kafka knows them by this KAFKA_SASL_MECHANISM"
                )
            case UnsupportedSaslMechanismError():
                return f"Kafka at {at} does not take KAFKA_SASL_MECHANISM={kafka.kafka_sasl_mechanism}"
            case IllegalSaslStateError():
                return (
                    f"Kafka at {at} wants no SASL at this listener, KAFKA_SECURITY_PROTOCOL={kafka.kafka_security_protocol} "
                    "says it does: another protocol, or another port"
                )
            case ValueError():
                return f"Kafka at {at} cannot prove that it knows the password of user {kafka.kafka_sasl_username!r}: {one}"
            case _:
                pass
    return None


def _untrusted(kafka: KafkaSettings, at: str, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _HOSTNAME_MISMATCH:
        return (
            f"the certificate of Kafka at {at} is for another name: {error.verify_message} Name Kafka as its certificate does, "
            "or set KAFKA_SSL_CHECK_HOSTNAME=false"
        )
    trusted = "this machine's authorities" if kafka.kafka_ssl_ca_file is None else f"{str(kafka.kafka_ssl_ca_file)!r}"
    return (
        f"the certificate of Kafka at {at} is not trusted: {error.verify_message}. KAFKA_SSL_CA_FILE must hold the authority "
        f"that signed it; used was {trusted}"
    )


def _tls_failed(kafka: KafkaSettings, at: str, error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    if "ALERT" in reason.upper():
        own = "there is no KAFKA_SSL_CERT_FILE" if kafka.kafka_ssl_cert_file is None else "it was KAFKA_SSL_CERT_FILE"
        return f"Kafka at {at} does not accept the client's certificate ({own}): {reason}"
    return (
        f"Kafka at {at} does not speak TLS as KAFKA_SECURITY_PROTOCOL={kafka.kafka_security_protocol} says: {reason}; "
        "another protocol, or another port"
    )


def _said(kafka: KafkaSettings, host: str, port: int, error: BaseException) -> str:
    """Why there was no answer. A listener of another protocol just closes the connection."""
    closed = isinstance(error, KafkaConnectionError | ConnectionResetError)
    hint = f" (does that listener speak {kafka.kafka_security_protocol}?)" if closed else ""
    return f"{host}:{port}: {_words(error)}{hint}"


def _words(error: BaseException) -> str:
    said = str(error.args[-1]) if error.args and error.args[-1] else type(error).__name__
    return system_words(error) or said
