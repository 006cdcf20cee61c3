"""The networks of `make chaos`: what passes is delayed, stalled or cut, and then passes again."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.storm.networks import Networks

SLOW_S = 0.2


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client, contextlib.suppress(ConnectionError):
                while data := client.recv(1024):
                    client.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.fixture
def networks() -> Iterator[Networks]:
    made = Networks(["a"])
    yield made
    made.close()


def said(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(1024)


def is_reset(client: socket.socket) -> bool:
    try:
        return client.recv(1024) == b""
    except ConnectionError:
        return True


def test_what_passes_is_delayed_stalled_and_cut(networks: Networks, echo: int) -> None:
    port = networks.route("a", echo)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        assert said(client, b"one") == b"one"
        networks.slow("a", SLOW_S)
        began_s = time.monotonic()
        assert said(client, b"two") == b"two"
        assert time.monotonic() - began_s >= 2 * SLOW_S
        networks.heal("a")

        networks.stall("a")
        client.sendall(b"three")
        client.settimeout(SLOW_S)
        with pytest.raises(TimeoutError):
            client.recv(1024)
        client.settimeout(30)
        networks.heal("a")
        assert client.recv(1024) == b"three"

        networks.cut("a")
        assert is_reset(client)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as refused:
        assert is_reset(refused)
    networks.heal("a")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        assert said(client, b"five") == b"five"
