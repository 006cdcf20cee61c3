"""The Kafka of a run: one broker or three, each with a listener of its own for every network, behind that network's proxy."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.brokers.class_archive import java_command
from tests.brokers.cluster import BROKERS, CONTROLLER, MIN_INSYNC, REPLICAS, SESSION
from tests.brokers.node import Node
from tests.brokers.ports import free_ports
from tests.brokers.properties import Member, Ports
from tests.brokers.serving import wait_until_serving
from tests.chaos.storm.networks import Networks


class KafkaNodes:
    """Brokers by number, of which any may be away."""

    def __init__(self, brokers: dict[int, Node], others: list[Node], through: dict[str, str]) -> None:
        self.brokers, self._others = brokers, others
        self.bootstrap = ",".join(broker.bootstrap for broker in brokers.values())
        #: The network's name → the bootstrap servers behind it.
        self.through = through

    def start(self) -> None:
        for node in (*self._others, *self.brokers.values()):
            node.start()
        self.wait()

    def wait(self) -> None:
        """Return once each broker serves."""
        for broker in self.brokers.values():
            wait_until_serving(broker.bootstrap, timeout_s=240, check_alive=broker.check_alive)

    def all_up(self) -> None:
        """Start what is away, and return once all serve."""
        for broker in self.brokers.values():
            if not broker.runs():
                broker.start()
        self.wait()

    def close(self) -> None:
        for node in (*self.brokers.values(), *self._others):
            node.kill()


@contextlib.contextmanager
def running(count: int, networks: Networks, folder: Path) -> Iterator[KafkaNodes]:
    """Kafka for as long as the context lasts; its data and logs are in `folder`."""
    java = java_command()
    numbers = BROKERS[:count]
    names = list(networks.of)
    controller_port = free_ports(1)[0]
    controllers = {} if count == 1 else {CONTROLLER: controller_port}
    copies: dict[str, Any] = {} if count == 1 else {"replicas": REPLICAS, "min_insync": MIN_INSYNC}
    brokers: dict[int, Node] = {}
    proxied: dict[str, list[int]] = {name: [] for name in names}
    for number in numbers:
        home = folder / f"broker-{number}"
        home.mkdir(parents=True)
        client, internal = free_ports(2)
        own = Ports(client, internal, controller_port)
        behind = dict(zip(names, free_ports(len(names)), strict=True))
        fronts = {name: networks.route(name, behind[name]) for name in names}
        for name in names:
            proxied[name].append(fronts[name])
        roles = "broker,controller" if count == 1 else "broker"
        more = {**(SESSION if count > 1 else {}), **_listeners(own, behind, fronts, alone=count == 1)}
        brokers[number] = Node(java, home, ports=own)
        brokers[number].format(Member(number, roles, controllers, **copies, more=more))
    others = []
    if count > 1:
        home = folder / "controller"
        home.mkdir()
        others.append(Node(java, home, ports=Ports(0, 0, controller_port)))
        others[0].format(Member(CONTROLLER, "controller", controllers, **copies, more=SESSION))
    through = {name: ",".join(f"127.0.0.1:{port}" for port in ports) for name, ports in proxied.items()}
    nodes = KafkaNodes(brokers, others, through)
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.close()
        for number in numbers:
            shutil.rmtree(folder / f"broker-{number}" / "data", ignore_errors=True)


def _listeners(own: Ports, behind: dict[str, int], fronts: dict[str, int], *, alone: bool) -> dict[str, object]:
    """A listener a network, advertised at the network's proxy: a client that came through it stays in it."""
    there = {"CLIENT": own.client, "INTERNAL": own.internal, **behind}
    told = {"CLIENT": own.client, "INTERNAL": own.internal, **fronts}
    listened = {**there, **({"CONTROLLER": own.controller} if alone else {})}
    return {
        "listeners": _urls(listened),
        "advertised.listeners": _urls(told),
        "listener.security.protocol.map": ",".join(f"{name.upper()}:PLAINTEXT" for name in (*there, "CONTROLLER")),
    }


def _urls(ports: dict[str, int]) -> str:
    return ",".join(f"{name.upper()}://127.0.0.1:{port}" for name, port in ports.items())
