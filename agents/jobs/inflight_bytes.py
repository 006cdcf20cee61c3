"""A bound on the bytes of encoded jobs held at once in this worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class InflightBytes:
    """Admits work while the sum of its bytes stays below the limit; one larger than the limit is admitted alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_flight = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Hold `size` bytes for the length of the body."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._in_flight or self._in_flight + size <= self._limit)
            self._in_flight += size
        try:
            yield
        finally:
            async with self._changed:
                self._in_flight -= size
                self._changed.notify_all()
