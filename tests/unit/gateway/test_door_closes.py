"""A stop of the gateway while posts are held."""

import asyncio
import json
import time

from starlette.requests import Request
from starlette.types import Message

from gateway.door import Door
from gateway.metrics import Metrics
from gateway.records import Records
from settings.gateway import GatewaySettings
from settings.settings import Settings

HOLD_S = 0.05


async def test_a_stop_in_the_moment_that_a_post_has_waited_long_enough() -> None:
    settings, metrics = Settings(gateway=GatewaySettings(hold_s=HOLD_S)), Metrics()
    door = Door(settings, Records(settings, settings.request_topic, metrics), metrics)

    async def nothing_comes() -> Message:
        return await asyncio.Future()

    request = Request({"type": "http", "method": "POST", "headers": []}, nothing_comes)
    failed: list[BaseException] = []

    def stop() -> None:
        try:
            door.close(within_s=1.0)
        except RuntimeError as error:
            failed.append(error)

    post = asyncio.create_task(door.comparison(request))
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    loop.call_at(loop.time() + 2 * HOLD_S, stop)
    # One turn of the event loop is to find both times past: the post's, then that of the stop.
    loop.call_soon(time.sleep, 3 * HOLD_S)
    answer = await post
    assert failed == []
    assert answer.status_code == 408
    assert "error" in json.loads(bytes(answer.body))
