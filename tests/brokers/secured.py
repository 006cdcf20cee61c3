"""A Kafka that asks who one is: the node of the plain one with TLS, passwords and access control lists.

Its plain listener stays, and whoever comes that way may do everything: the tests' own clients, which make topics, users
and rights. What is tested comes by the others.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.brokers.certificates import Authority, Signed
from tests.brokers.class_archive import java_command
from tests.brokers.node import Node, PortTaken
from tests.brokers.one_node import TRIES
from tests.brokers.ports import free_ports
from tests.brokers.properties import Member
from tests.brokers.serving import admin_client
from tests.waiting import LIMIT_S, until

MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "OAUTHBEARER")
PLAIN_USERS = {"plain": "plain secret"}
KEY_PASSWORD = "key secret"
_LISTENERS = {"SECURED": "SASL_SSL", "UNWRAPPED": "SASL_PLAINTEXT", "MUTUAL": "SSL"}
_MODULES = "org.apache.kafka.common.security"

# Resource type ("topic", "group", "cluster", "transactional_id"), name, operation ("read", "describe_configs", …).
Right = tuple[str, str, str]


@dataclass(frozen=True)
class SecuredKafka:
    """Where it listens, and how to make users and their rights. Without a right nobody may do anything."""

    plain: str  # PLAINTEXT; everybody there is the super user
    sasl_ssl: str  # MECHANISMS
    sasl_plaintext: str  # the same without TLS
    ssl: str  # asks for a certificate; the principal is "User:CN=" and its name
    ca_file: Path
    client: Signed  # for `ssl`; CN=client
    locked_client: Signed  # the same with a key under KEY_PASSWORD; CN=locked

    def add_user(self, name: str, password: str) -> None:
        """A user by SCRAM-SHA-256 and SCRAM-SHA-512; users by PLAIN are PLAIN_USERS, by OAUTHBEARER every `sub` of an
        unsigned token."""
        admin = admin_client(self.plain)
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            made = UserScramCredentialUpsertion(name, ScramCredentialInfo(mechanism, 4096), password.encode())
            admin.alter_user_scram_credentials([made])[name].result(timeout=LIMIT_S)

        def known() -> bool:
            try:
                described = admin.describe_user_scram_credentials([name])[name].result(timeout=LIMIT_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.RESOURCE_NOT_FOUND:
                    raise
                return False
            return len(described.scram_credential_infos) == 2

        until(known, f"the broker knows user {name}")

    def allow(self, user: str, rights: Iterable[Right]) -> None:
        """Give a user these rights, by the literal names of resources; returns once the broker knows them."""
        admin = admin_client(self.plain)
        wanted = [_binding(user, right) for right in rights]
        for made in admin.create_acls(wanted).values():
            made.result(timeout=LIMIT_S)
        until(lambda: set(wanted) <= _rights(admin, user), f"the broker knows the rights of {user}")

    def revoke(self, user: str, rights: Iterable[Right] | None = None) -> None:
        """Take these rights from a user, or all; returns once the broker has forgotten them."""
        admin = admin_client(self.plain)
        gone = [_all_of(user)] if rights is None else [_filter(_binding(user, right)) for right in rights]
        for deleted in admin.delete_acls(gone).values():
            deleted.result(timeout=LIMIT_S)
        names = None if rights is None else {_binding(user, right) for right in rights}

        def forgotten() -> bool:
            left = _rights(admin, user)
            return not (left if names is None else left & names)

        until(forgotten, f"the broker has forgotten the rights of {user}")


@contextlib.contextmanager
def running_secured_kafka() -> Iterator[SecuredKafka]:
    """One for as long as the context lasts. BrokerUnavailable where the jars or openssl cannot be had, or it does not start."""
    java = java_command()
    with contextlib.ExitStack() as stack:
        for remaining in reversed(range(TRIES)):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roundbatch-secured-")))
            node = Node(java, folder)
            stack.callback(node.kill)
            try:
                yield _start(node, folder)
            except PortTaken:
                if not remaining:
                    raise
            else:
                return


def _start(node: Node, folder: Path) -> SecuredKafka:
    authority = Authority(folder / "certificates")
    server = authority.sign("broker", "IP:127.0.0.1", "DNS:localhost")
    store = folder / "certificates" / "broker.store.pem"
    store.write_text(server.key.read_text() + server.certificate.read_text())
    addresses = {name: f"127.0.0.1:{port}" for name, port in zip(_LISTENERS, free_ports(len(_LISTENERS)), strict=True)}
    node.format(Member(more=_security(node, addresses, store, authority.ca)))
    node.start()
    node.wait_serving()
    return SecuredKafka(
        plain=node.bootstrap,
        sasl_ssl=addresses["SECURED"],
        sasl_plaintext=addresses["UNWRAPPED"],
        ssl=addresses["MUTUAL"],
        ca_file=authority.ca,
        client=authority.sign("client"),
        locked_client=authority.sign("locked", password=KEY_PASSWORD),
    )


def _security(node: Node, addresses: dict[str, str], store: Path, ca: Path) -> dict[str, object]:
    more = ",".join(f"{name}://{address}" for name, address in addresses.items())
    clients = f"CLIENT://127.0.0.1:{node.ports.client},INTERNAL://127.0.0.1:{node.ports.internal},{more}"
    protocols = ",".join(f"{name}:{protocol}" for name, protocol in _LISTENERS.items())
    settings: dict[str, object] = {
        "listeners": f"{clients},CONTROLLER://127.0.0.1:{node.ports.controller}",
        "advertised.listeners": clients,
        "listener.security.protocol.map": f"CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",  # who comes by a plain listener, the node itself included
        "allow.everyone.if.no.acl.found": "false",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": store,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": ca,
        "listener.name.mutual.ssl.client.auth": "required",
    }
    users = " ".join(f'user_{name}="{password}"' for name, password in PLAIN_USERS.items())
    for listener in ("secured", "unwrapped"):
        head = f"listener.name.{listener}"
        scram = f"{_MODULES}.scram.ScramLoginModule required;"
        settings |= {
            f"{head}.sasl.enabled.mechanisms": ",".join(MECHANISMS),
            f"{head}.scram-sha-256.sasl.jaas.config": scram,
            f"{head}.scram-sha-512.sasl.jaas.config": scram,
            f"{head}.plain.sasl.jaas.config": f"{_MODULES}.plain.PlainLoginModule required {users};",
            f"{head}.oauthbearer.sasl.jaas.config": f"{_MODULES}.oauthbearer.OAuthBearerLoginModule required;",
        }
    return settings


def _rights(admin: AdminClient, user: str) -> set[AclBinding]:
    return set(admin.describe_acls(_all_of(user)).result(timeout=LIMIT_S))


def _binding(user: str, right: Right) -> AclBinding:
    kind, name, operation = right
    return AclBinding(
        ResourceType[kind.upper()] if kind != "cluster" else ResourceType.BROKER,  # librdkafka's name of the cluster
        name,
        ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[operation.upper()],
        AclPermissionType.ALLOW,
    )


def _filter(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _all_of(user: str) -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.ANY,
        None,
        ResourcePatternType.ANY,
        f"User:{user}",
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
