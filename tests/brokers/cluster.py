"""Three brokers and a controller from Kafka's jars, as an operator's Kafka is; each can be taken away by itself."""

import contextlib
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # it does not say what it exports

from tests.brokers.class_archive import java_command
from tests.brokers.node import Node, PortTaken
from tests.brokers.one_node import TRIES
from tests.brokers.ports import free_ports
from tests.brokers.properties import Member, Ports
from tests.brokers.serving import admin_client
from tests.waiting import until

BROKERS = (1, 2, 3)
# Apart from the brokers: with two of three gone it must go on deciding, else Kafka cannot say NotEnoughReplicas.
CONTROLLER = 9
REPLICAS, MIN_INSYNC = 3, 2
# A broker that is gone is given up after the session: 9 s by default.
SESSION = {"broker.session.timeout.ms": 3_000, "broker.heartbeat.interval.ms": 500}


class Cluster:
    """Three brokers by id, and what they say of themselves."""

    def __init__(self, controller: Node, brokers: dict[int, Node]) -> None:
        self.controller = controller
        self.brokers = brokers
        self.bootstrap = ",".join(broker.bootstrap for broker in brokers.values())
        self.admin: AdminClient = admin_client(self.bootstrap)

    def start(self) -> None:
        """Start all four, and return once each broker is listed. Raises BrokerUnavailable, its kind PortTaken included."""
        everyone = (self.controller, *self.brokers.values())
        for node in everyone:
            node.start()

        def all_listed() -> bool:
            for node in everyone:
                node.check_alive()
            return self.listed() == set(BROKERS)

        until(all_listed, "all three brokers are listed", every_s=0.2)

    def end(self) -> None:
        """Kill all four."""
        for node in (*self.brokers.values(), self.controller):
            node.kill()

    def listed(self) -> set[int]:
        """The brokers that clients are told of."""
        try:
            return set(self.admin.list_topics(timeout=1).brokers)
        except KafkaException:
            return set()

    def settle(self) -> None:
        """Start the brokers that are away, and return once each partition has all of its replicas in sync."""
        for broker in self.brokers.values():
            if not broker.runs():
                broker.start()
        self.wait_in_sync()

    def leaders(self, topic: str) -> dict[int, int]:
        """Partition → the broker that leads it, -1 for none."""
        found = self.admin.list_topics(topic, timeout=30).topics[topic].partitions
        return {number: one.leader for number, one in found.items()}

    def behind(self) -> list[str]:
        """Partitions that a replica of is not in sync."""
        names = list(self.admin.list_topics(timeout=10).topics)
        topics = self.admin.describe_topics(TopicCollection(names), request_timeout=10)
        return [
            f"{name}-{partition.id}"
            for name, topic in topics.items()
            for partition in topic.result(30).partitions
            if len(partition.isr) < len(partition.replicas)
        ]

    def kept_by(self, prefix: str) -> dict[str, tuple[int, int]]:
        """Topics with that prefix → how many replicas there are, and how many of them must acknowledge."""
        topics = {name: one for name, one in self.admin.list_topics(timeout=30).topics.items() if name.startswith(prefix)}
        asked = self.admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name) for name in topics])
        least = {resource.name: int(str(found.result(30)["min.insync.replicas"].value)) for resource, found in asked.items()}
        return {name: (len(one.partitions[0].replicas), least[name]) for name, one in topics.items()}

    def wait_in_sync(self) -> None:
        """Return once all brokers are listed and each partition has all of its replicas in sync."""

        def in_sync() -> bool:
            try:
                return self.listed() == set(BROKERS) and not self.behind()
            except KafkaException:  # a broker that has just begun to serve
                return False

        until(in_sync, "each partition has all of its replicas in sync", every_s=0.2)


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster of this process's own; afterwards ends it and deletes its data. BrokerUnavailable as of `one_node.running`."""
    for remaining in reversed(range(TRIES)):
        with tempfile.TemporaryDirectory(prefix="roundbatch-kafka-") as folder:
            cluster = _formatted(Path(folder))
            try:
                try:
                    cluster.start()
                except PortTaken:
                    if remaining:
                        continue
                    raise
                yield cluster
            finally:
                cluster.end()
        return


def _formatted(folder: Path) -> Cluster:
    java = java_command()
    ports = free_ports(1 + 2 * len(BROKERS))
    controller_port = ports.pop()
    controllers = {CONTROLLER: controller_port}
    nodes: dict[int, Node] = {}
    for number in (CONTROLLER, *BROKERS):
        home = folder / str(number)
        home.mkdir()
        own = Ports(0, 0, controller_port) if number == CONTROLLER else Ports(ports.pop(), ports.pop(), 0)
        nodes[number] = Node(java, home, ports=own)

    def format_one(number: int) -> None:
        roles = "controller" if number == CONTROLLER else "broker"
        nodes[number].format(Member(number, roles, controllers, REPLICAS, MIN_INSYNC, SESSION))

    with ThreadPoolExecutor() as together:
        list(together.map(format_one, nodes))
    return Cluster(nodes.pop(CONTROLLER), nodes)
