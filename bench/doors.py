"""What the gateway is measured beside: the same server without Kafka. `python -m bench.doors bare|instant` prints its port.

bare: reads the body and answers 202, and does nothing else. instant: the gateway, with records that are acknowledged at once.
"""

import asyncio
import sys
from typing import cast

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway import connections
from gateway.metrics import Metrics
from gateway.records import Records
from gateway.server import Gateway
from settings.gateway import GatewaySettings
from settings.settings import Settings

_ANSWER = {
    "queue_id": "7b0d2b4e-3f53-4d0c-8c39-5d0c6c8e9a21",
    "status": "queued",
    "message": "",
    "estimated_wait_minutes": None,
}


class _Instant:
    """Records that need no Kafka."""

    async def acknowledged(self, key: bytes, value: bytes) -> None:
        pass

    async def answers(self, limit_s: float) -> bool:
        return True


async def _bare(request: Request) -> Response:
    await request.body()
    return JSONResponse(_ANSWER, 202)


async def main(kind: str) -> None:
    """Serve until killed."""
    settings, metrics = Settings(gateway=GatewaySettings(port=0)), Metrics()
    gateway = Gateway(settings, cast(Records, _Instant()), metrics)
    with gateway.listening() as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        if kind == "instant":
            await gateway.serve(listener)
            return
        app = Starlette(routes=[Route("/api/v1/comparison", _bare, methods=["POST"])])
        http = connections.connection_class(settings.gateway, metrics)
        config = uvicorn.Config(
            app, http=http, ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False
        )
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main(sys.argv[1]))
