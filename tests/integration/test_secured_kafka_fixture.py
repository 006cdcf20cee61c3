"""The secured Kafka of the tests refuses and lets in whom it should, by each way in."""

import base64
import json
import time

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from tests.brokers.secured import KEY_PASSWORD, PLAIN_USERS, SecuredKafka
from tests.brokers.topics import create_topics
from tests.harness.kafka_reads import persistently


def _shows(topic: str, **config: object) -> bool:
    """Whether a client that connects so is shown the topic. KafkaException where it is not let in."""
    refused: list[KafkaError] = []
    keys = {name if name == "oauth_cb" else name.replace("_", "."): value for name, value in config.items()}
    client = AdminClient({"log_level": 0, "error_cb": refused.append, **keys})

    def look() -> bool:
        try:
            return client.list_topics(topic, timeout=1).topics[topic].error is None
        except KafkaException:
            client.poll(0)  # gives the errors of its connections to error_cb
            fatal = [error for error in refused if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL)]
            if fatal:
                raise KafkaException(fatal[0]) from None
            raise

    return persistently(look)


def _token(subject: str) -> str:
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": subject, "iat": now, "exp": now + 3600})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def test_each_way_in_asks_for_what_it_says(secured_kafka: SecuredKafka, unique: str) -> None:
    create_topics(secured_kafka.plain, {unique: 1})
    secured_kafka.add_user(unique, "a secret")
    for user in (unique, "plain", "CN=client", "CN=locked", f"{unique}-token"):
        secured_kafka.allow(user, [("topic", unique, "describe")])
    ca = {"ssl_ca_location": str(secured_kafka.ca_file)}
    wrapped = {"bootstrap_servers": secured_kafka.sasl_ssl, "security_protocol": "SASL_SSL", **ca}
    scram = {**wrapped, "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": unique}
    assert _shows(unique, **scram, sasl_password="a secret")
    assert _shows(unique, **(scram | {"sasl_mechanism": "SCRAM-SHA-256"}), sasl_password="a secret")
    unwrapped = {"bootstrap_servers": secured_kafka.sasl_plaintext, "security_protocol": "SASL_PLAINTEXT"}
    assert _shows(unique, **{**scram, **unwrapped}, sasl_password="a secret")
    assert _shows(unique, **wrapped, sasl_mechanism="PLAIN", sasl_username="plain", sasl_password=PLAIN_USERS["plain"])
    bearer = {"oauth_cb": lambda _: (_token(f"{unique}-token"), time.time() + 3600)}
    assert _shows(unique, **wrapped, sasl_mechanism="OAUTHBEARER", **bearer)
    mutual = {"bootstrap_servers": secured_kafka.ssl, "security_protocol": "SSL", **ca}
    for signed, password in ((secured_kafka.client, {}), (secured_kafka.locked_client, {"ssl_key_password": KEY_PASSWORD})):
        files = {"ssl_certificate_location": str(signed.certificate), "ssl_key_location": str(signed.key)}
        assert _shows(unique, **mutual, **files, **password)
    with pytest.raises(KafkaException, match=r"(?i)authentication failed"):
        _shows(unique, **scram, sasl_password="another")
    secured_kafka.revoke(unique)
    assert not _shows(unique, **scram, sasl_password="a secret")
