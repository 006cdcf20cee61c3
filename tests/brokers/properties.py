"""The server.properties of the one-node Kafka that tests use."""

from dataclasses import dataclass

KAFKA_VERSION = "4.1.0"
# StorageTool wants a base64 UUID; a random one may begin with "-", which its parser takes for an option.
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qg"


@dataclass(frozen=True)
class Ports:
    """Where the node listens: clients, itself (transaction markers travel over the network even on one node), raft."""

    client: int
    internal: int
    controller: int


def server_properties(ports: Ports, *, log_dir: str, bind: str = "127.0.0.1", advertised_port: int = 0) -> str:
    """server.properties as text.

    `bind` is the address of the client listener (0.0.0.0 only inside a container); `advertised_port` is the port
    that clients reach it at on 127.0.0.1, where that is not `ports.client`.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{ports.controller}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "listeners": (
            f"CLIENT://{bind}:{ports.client},INTERNAL://127.0.0.1:{ports.internal},CONTROLLER://127.0.0.1:{ports.controller}"
        ),
        "advertised.listeners": (f"CLIENT://127.0.0.1:{advertised_port or ports.client},INTERNAL://127.0.0.1:{ports.internal}"),
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
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # 128 MiB by default, a quarter of the heap given.
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
        # Two index files a partition, 10 MiB each by default.
        "log.index.size.max.bytes": 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
