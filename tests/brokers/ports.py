"""Free TCP ports of 127.0.0.1."""

import random
import socket

# Below Linux' ephemeral range (32768 to 60999): no outgoing connection takes one between the look and the bind.
LOWEST, HIGHEST = 20_000, 32_000


def free_ports(count: int) -> list[int]:
    """`count` different ports that nothing listens on right now, chosen at random."""
    found: list[int] = []
    for port in random.sample(range(LOWEST, HIGHEST), 50 * count):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} free ports between {LOWEST} and {HIGHEST} on 127.0.0.1")
