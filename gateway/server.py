"""The gateway as a process: it checks Kafka as a worker's start does, then takes posts until SIGTERM."""

import asyncio
import contextlib
import math
import os
import signal
import socket
from collections.abc import Iterator

import structlog
import uvicorn

from gateway import connections
from gateway.app import create_app
from gateway.door import Door
from gateway.health import Health
from gateway.metrics import Metrics
from gateway.records import Records
from settings.settings import Settings
from streams import logs
from streams.collector import spare_the_collector
from streams.kafka import security, topics
from streams.system_words import system_words

log = structlog.get_logger("gateway")

_BACKLOG = 2_048
_MORE_S = 3.0  # for answers on their way, after the last post that was held has been answered


class CannotListen(Exception):
    """The address is taken, or is not one of this machine; the message is one line with the remedy."""


class _Server(uvicorn.Server):
    """uvicorn's, which leaves signals to the gateway: uvicorn would raise SIGTERM again after its shutdown."""

    def __init__(self, config: uvicorn.Config, door: Door, within_s: float) -> None:
        super().__init__(config)
        self._door, self._within_s = door, within_s

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log.info("gateway_stopping", timeout_s=self._within_s)
        self._door.close(self._within_s)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Gateway:
    """The parts of a gateway over its records, and their server."""

    def __init__(self, settings: Settings, records: Records, metrics: Metrics) -> None:
        limits = settings.gateway
        self._limits = limits
        self.door = Door(settings, records, metrics)
        self._health = Health(settings, records, self.door, metrics)
        config = uvicorn.Config(
            create_app(settings, self.door, self._health, metrics),
            http=connections.connection_class(limits, metrics),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=math.ceil(limits.keep_alive_s),
            timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout_s + _MORE_S),
        )
        self._server = _Server(config, self.door, settings.shutdown_timeout_s)

    def listening(self) -> socket.socket:
        """A socket that listens where the settings say. Raises CannotListen."""
        return _listening(self._limits.host, self._limits.port)

    async def serve(self, listener: socket.socket) -> None:
        """Take posts until `stop`, and answer those that are held then."""
        watching = [
            asyncio.create_task(self._health.run()),
            asyncio.create_task(connections.watch(self._server.server_state)),
        ]
        try:
            await self._server.serve(sockets=[listener])
        finally:
            for task in watching:
                task.cancel()

    def stop(self) -> None:
        """Let `serve` come to its end."""
        self._server.should_exit = True


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises what a start refuses, and CannotListen."""
    metrics = Metrics()
    records = Records(settings, settings.request_topic, metrics)
    async with asyncio.timeout(settings.start_timeout_s or None):
        await security.check(settings)
        if not settings.testing.embedded_broker:
            await topics.prepare_to_request(settings)
        await records.start()
    gateway = Gateway(settings, records, metrics)
    spare_the_collector()
    with gateway.listening() as listener:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, gateway.stop)
        host, port = listener.getsockname()[:2]
        log.info("gateway_started", host=host, port=port, topic=settings.request_topic)
        await gateway.serve(listener)
    await records.stop()
    log.info("gateway_stopped")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotListen(
            f"the gateway cannot listen on {host}:{port} ({system_words(error) or error.strerror}): set "
            "ROUNDBATCH_GATEWAY__HOST to an address of this machine and ROUNDBATCH_GATEWAY__PORT to a free port, or 0 for any"
        ) from error


def main(settings: Settings) -> None:
    """Run a gateway in an event loop of its own, and end the process after a clean stop."""
    import uvloop

    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(run(settings))
    logs.finish()
    os._exit(0)  # a producer that waits for a Kafka that is away must not hold up the exit
