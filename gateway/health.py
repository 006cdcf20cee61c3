"""Whether a post could be accepted now: /healthz, /readyz."""

import asyncio
import time
from importlib.metadata import version
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.door import Door
from gateway.metrics import Metrics
from gateway.records import Records
from settings.settings import Settings
from streams.wire.results import SOURCE_SERVICE

log = structlog.get_logger("gateway")

_LOOK_S = 5.0


class Health:
    """Asks Kafka every few seconds, so that an outage shows before the next post comes."""

    def __init__(self, settings: Settings, records: Records, door: Door, metrics: Metrics) -> None:
        self._settings, self._records, self._door, self._metrics = settings, records, door, metrics
        self._answers = True
        self._since_s = time.monotonic()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._note(await self._records.answers(_LOOK_S))
            await asyncio.sleep(_LOOK_S)

    def _note(self, answers: bool) -> None:
        self._metrics.answers.set(answers)
        if answers == self._answers:
            return
        now_s = time.monotonic()
        lasted_s, self._since_s, self._answers = round(now_s - self._since_s, 1), now_s, answers
        if answers:
            log.info("kafka_answers_again", was_away_s=lasted_s)
        else:
            log.warning("kafka_does_not_answer", said="posts are held, and answered 503 after GATEWAY__HOLD_S")

    def missing(self) -> list[str]:
        """Why no post could be accepted now, a line each; empty: one could."""
        found = []
        if not self._answers:
            found.append(
                f"Kafka at {self._settings.kafka_bootstrap_servers} does not answer, or the request topic has no leader"
            )
        if self._door.full:
            found.append(f"{self._settings.gateway.most_held} posts are held")
        if self._door.stopping:
            found.append("the gateway is stopping")
        return found

    async def healthz(self, _: Request) -> Response:
        """JSON with the members that the replaced service has; CJ's own health checks read status and message."""
        missing = self.missing()
        told: dict[str, Any] = {
            "service": SOURCE_SERVICE,
            "status": "unhealthy" if missing else "healthy",
            "message": "; ".join(missing) or "comparisons are accepted",
            "version": version("roundbatch"),
            "checks": {
                "kafka_answers": self._answers,
                "has_room": not self._door.full,
                "takes_posts": not self._door.stopping,
            },
            "dependencies": {"kafka": {"status": "healthy" if self._answers else "unhealthy"}},
            "environment": self._settings.gateway.environment,
        }
        return JSONResponse(told, 503 if missing else 200)

    async def readyz(self, _: Request) -> Response:
        """Whether a post could be accepted, in the form of the worker's /readyz."""
        missing = self.missing()
        if missing:
            return JSONResponse({"ready": False, "not_ready": missing}, 503)
        return JSONResponse({"ready": True})
