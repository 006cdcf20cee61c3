"""The worker's own HTTP endpoints: its page at /, /status, /healthz, /readyz, /metrics, /jobs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from streams.system_words import system_words

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


class Endpoints:
    """A small server in the worker's event loop: a loop that is stuck answers nothing, which is what a probe looks for.

    not_ready: what is not ready, a line each (`partition 3: catching up`); empty means ready. failing: why the worker is
    stopping by failure, or None. jobs: what /jobs shows, as JSON can hold it; status: what /status tells the page. All are
    asked at each request and must answer at once.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        *,
        not_ready: Callable[[], Sequence[str]],
        failing: Callable[[], str | None] = lambda: None,
        jobs: Callable[[], dict[str, Any]] = dict,
        status: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._host, self._port = host, port
        self._registry = registry
        self._not_ready, self._failing = not_ready, failing
        self._jobs_now, self._status_now = jobs, status
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen; returns the port, which port 0 leaves to the system.

        Errors: HealthUnavailable where the address is taken or not this machine's.
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
        reason = self._failing()
        if reason is not None:
            return web.json_response({"healthy": False, "failing": reason}, status=503)
        return web.json_response({"healthy": True})

    async def _readyz(self, _: web.Request) -> web.Response:
        reason = self._failing()
        missing = [*self._not_ready(), *([f"stopping: {reason}"] if reason is not None else [])]
        if missing:
            return web.json_response({"ready": False, "not_ready": missing}, status=503)
        return web.json_response({"ready": True})

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(body=PAGE.read_bytes(), headers=_PAGE_HEADERS)

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response(self._status_now())

    async def _jobs(self, _: web.Request) -> web.Response:
        return web.json_response(self._jobs_now())

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
