"""The server.properties of the Kafka that tests use: of its one node, or of each node of a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field

KAFKA_VERSION = "4.1.0"
# StorageTool wants a base64 UUID; a random one may begin with "-", which its parser takes for an option.
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"


@dataclass(frozen=True)
class Ports:
    """Where the node listens: clients, itself (transaction markers travel over the network even on one node), raft."""

    client: int
    internal: int
    controller: int


@dataclass(frozen=True)
class Member:
    """A node's place in its cluster: its id and roles, who decides, and how many replicas a record has and needs."""

    node_id: int = 1
    roles: str = "broker,controller"
    controllers: Mapping[int, int] = field(default_factory=dict)  # id → port; none: this node alone
    replicas: int = 1
    min_insync: int = 1
    more: Mapping[str, object] = field(default_factory=dict)


def server_properties(
    ports: Ports, *, log_dir: str, bind: str = "127.0.0.1", advertised_port: int = 0, member: Member | None = None
) -> str:
    """server.properties as text.

    `bind` is the address of the client listener (0.0.0.0 only inside a container); `advertised_port` is the port
    that clients reach it at on 127.0.0.1, where that is not `ports.client`. Without a `member` the node is alone.
    """
    place = member or Member()
    controllers = place.controllers or {place.node_id: ports.controller}
    listeners = {
        "broker": (f"CLIENT://{bind}:{ports.client}", f"INTERNAL://127.0.0.1:{ports.internal}"),
        "controller": (f"CONTROLLER://127.0.0.1:{ports.controller}",),
    }
    roles = place.roles.split(",")
    broker_only = {
        "inter.broker.listener.name": "INTERNAL",
        "advertised.listeners": (f"CLIENT://127.0.0.1:{advertised_port or ports.client},INTERNAL://127.0.0.1:{ports.internal}"),
    }
    settings = {
        "process.roles": place.roles,
        "node.id": place.node_id,
        "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items()),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": ",".join(listener for role in roles for listener in listeners[role]),
        **(broker_only if "broker" in roles else {}),
        "log.dirs": log_dir,
        # A topic that nobody declared is a mistake that a test should see.
        "auto.create.topics.enable": "false",
        # Saves 3 s whenever a consumer group starts.
        "group.initial.rebalance.delay.ms": 0,
        # Lets a test that kills a worker have its partitions moved in a second; Kafka's minimum is 6 s otherwise.
        "group.min.session.timeout.ms": 500,
        # Own topics carry records of 4 MiB; the rest is the batch's overhead.
        "message.max.bytes": 5 * 1024 * 1024,
        "replica.fetch.max.bytes": 5 * 1024 * 1024,
        # 50 partitions each by default, made at the first commit or transaction: seconds on two cores.
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": place.replicas,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": place.replicas,
        "transaction.state.log.min.isr": place.min_insync,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": place.replicas,
        "share.coordinator.state.topic.min.isr": place.min_insync,
        "default.replication.factor": place.replicas,
        "min.insync.replicas": place.min_insync,
        # 128 MiB by default, a quarter of the heap given.
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
        # Two index files a partition, 10 MiB each by default.
        "log.index.size.max.bytes": 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        **place.more,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
