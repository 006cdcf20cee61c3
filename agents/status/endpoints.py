"""The worker's own HTTP endpoints: its page at /, /status, /healthz, /readyz, /metrics, /jobs, /rankings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from streams.system_words import system_words
from streams.wire.status.encode import encode
from streams.wire.status.open_jobs import OpenJobs
from streams.wire.status.rankings import Rankings
from streams.wire.status.told import Status

log = structlog.get_logger()

PAGE = Path(__file__).with_name("status_page.html")
_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    # One page of our own: whatever a round's name might bring along, nothing else is loaded or sent anywhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
    "Cache-Control": "no-store",
}


class EndpointsUnavailable(Exception):
    """The endpoints cannot listen where the settings say; the message is one line with the remedy."""


class Tells(Protocol):
    """What the endpoints ask at each request: `agents.status.worker_status.WorkerStatus`. All but rankings come at once."""

    def not_ready(self) -> Sequence[str]:
        """What is not ready, a line each (`partition 3: catching up`); empty means ready."""

    def status(self) -> Status:
        """For /status."""

    def jobs(self) -> OpenJobs:
        """For /jobs."""

    async def rankings(self) -> Rankings:
        """For /rankings; it may take seconds, in which the event loop goes on."""


class Endpoints:
    """A small server in the worker's event loop: a loop that is stuck answers nothing, which is what a probe looks for.

    registry: the metrics of /metrics.
    """

    def __init__(self, host: str, port: int, registry: CollectorRegistry, worker: Tells) -> None:
        self._host, self._port = host, port
        self._registry, self._worker = registry, worker
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen; returns the port, which port 0 leaves to the system.

        Errors: EndpointsUnavailable where the address is taken or not this machine's.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/status", self._status),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.get("/jobs", self._jobs),
                web.get("/rankings", self._rankings),
            ],
        )
        # Signals are the worker's; a scraper that hangs must not hold up the stop.
        runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            said = system_words(error) or error.strerror
            raise EndpointsUnavailable(
                f"health endpoints cannot listen on {self._host}:{self._port} ({said}): set ROUNDBATCH_HEALTH_HOST "
                "to an address of this machine and ROUNDBATCH_HEALTH_PORT to a free port, or 0 for any"
            ) from error
        self._runner = runner
        port = int(runner.addresses[0][1])
        log.info("health_listening", host=self._host, port=port)
        return port

    async def stop(self) -> None:
        """Close the server; nothing happens where it does not run."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"healthy": True})

    async def _readyz(self, _: web.Request) -> web.Response:
        missing = self._worker.not_ready()
        if missing:
            return web.json_response({"ready": False, "not_ready": missing}, status=503)
        return web.json_response({"ready": True})

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(body=PAGE.read_bytes(), headers=_PAGE_HEADERS)

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response(self._worker.status(), dumps=encode)

    async def _jobs(self, _: web.Request) -> web.Response:
        return web.json_response(self._worker.jobs(), dumps=encode)

    async def _rankings(self, _: web.Request) -> web.Response:
        return web.json_response(await self._worker.rankings(), dumps=encode)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
