"""Networks that can be slow, stalled or cut: TCP proxies of this process, between a worker and Kafka and the providers."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CHUNK = 65_536
HELD_S = 1.0


@dataclass(eq=False)
class Network:
    """All connections of some workers. Its state is changed by `Networks`, in the proxies' own thread."""

    name: str
    delay_s: float = 0.0  # of each chunk, in each direction
    refuses: bool = False
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    open: "set[_Pair]" = field(default_factory=set)

    async def passing(self) -> None:
        """Return when a chunk that has come may go on."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self.flows.wait()


class Networks:
    """Named networks, and the routes through them; its methods may be called from any one thread."""

    def __init__(self, names: list[str]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="networks", daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self.of = {name: Network(name) for name in names}
        for name in names:
            self.heal(name)

    def _do(self, change: Callable[[], object]) -> None:
        async def changed() -> None:
            change()

        asyncio.run_coroutine_threadsafe(changed(), self._loop).result()

    def route(self, name: str, target: int, port: int = 0) -> int:
        """Listen on a port of 127.0.0.1 for a port behind the network; returns the one that is listened on."""
        network = self.of[name]

        async def listen() -> int:
            server = await asyncio.start_server(lambda *ends: _Pair(network, target).serve(*ends), "127.0.0.1", port)
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])

        return asyncio.run_coroutine_threadsafe(listen(), self._loop).result()

    def slow(self, name: str, delay_s: float) -> None:
        """Delay what passes."""
        self._do(lambda: setattr(self.of[name], "delay_s", delay_s))

    def stall(self, name: str) -> None:
        """Let nothing pass; connections stay open."""
        self._do(self.of[name].flows.clear)

    def cut(self, name: str) -> None:
        """Reset all connections, and refuse new ones."""
        network = self.of[name]

        def change() -> None:
            network.refuses = True
            for pair in list(network.open):
                pair.abort()

        self._do(change)

    def heal(self, name: str) -> None:
        """Pass everything at once again. What was stalled is passed on if both ends are still there."""
        network = self.of[name]

        def change() -> None:
            network.delay_s, network.refuses = 0.0, False
            network.flows.set()

        self._do(change)

    def close(self) -> None:
        """Stop passing anything."""

        async def end() -> None:
            for server in self._servers:
                server.close()
            for network in self.of.values():
                for pair in list(network.open):
                    pair.abort()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(eq=False)
class _Pair:
    """A client's connection and the one behind it."""

    network: Network
    target: int
    ends: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ends.append(writer)
        if self.network.refuses:
            self.abort()
            return
        self.network.open.add(self)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self.ends.append(there_writer)
            await asyncio.gather(self._pump(reader, there_writer, asked=True), self._pump(there_reader, writer, asked=False))
        except OSError:
            pass  # an end is gone, was cut off, or (a broker) is not there: the other one is told by the reset below
        finally:
            self.network.open.discard(self)
            self.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asked: bool) -> None:
        while data := await reader.read(CHUNK):
            came_s = time.monotonic()
            await self.network.passing()
            # A client that has gone while its request was held up takes the request with it: the promise about
            # batches holds for a provider that is done with a request within LIST_SETTLE_S after its client has gone.
            if asked and reader.at_eof() and time.monotonic() - came_s > HELD_S:
                break
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()

    def abort(self) -> None:
        for writer in self.ends:
            writer.transport.abort()
