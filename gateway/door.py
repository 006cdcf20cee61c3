"""POST /api/v1/comparison: accepted when Kafka has the record, held until then, refused if no event could answer it."""

import asyncio

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from gateway import bodies
from gateway.bodies import Comparison, Refused
from gateway.metrics import Metrics
from gateway.records import RECORD_BYTES, Records
from settings.settings import Settings
from streams.kafka.sends import TooLarge

log = structlog.get_logger("gateway")

_AGAIN = {"retry-after": "1"}
_QUEUED = "The comparison is queued; its result comes as an event on the callback topic"


class Door:
    """Takes posts, a bounded number at once. Each is held until Kafka has its record, its time is over, or the stop's is."""

    def __init__(self, settings: Settings, records: Records, metrics: Metrics) -> None:
        self._settings, self._records, self._metrics = settings, records, metrics
        self._held: set[asyncio.Timeout] = set()
        metrics.held.set_function(lambda: len(self._held))
        self._accepted = metrics.posts.labels("202")
        self._ends_s: float | None = None  # by the loop's clock: when the posts that are held at a stop are answered

    @property
    def full(self) -> bool:
        """Whether a further post would be refused."""
        return len(self._held) >= self._settings.gateway.most_held

    @property
    def stopping(self) -> bool:
        """Whether no further post is taken."""
        return self._ends_s is not None

    def close(self, within_s: float) -> None:
        """Take no further post; those that are held are answered within this time."""
        self._ends_s = asyncio.get_running_loop().time() + within_s
        for hold in self._held:
            if not hold.expired():  # otherwise its post is about to be answered, and asyncio refuses another time
                hold.reschedule(min(hold.when() or self._ends_s, self._ends_s))

    async def comparison(self, request: Request) -> Response:
        """Answer one post: 202 when its record is acknowledged, and a JSON object in every case.

        That a client has left is not noticed once its body was read: the record is sent all the same.
        """
        try:
            taken = await self._taken(request)
        except ClientDisconnect:
            return Response()  # to nobody
        except Refused as refused:
            self._metrics.refused.labels(refused.reason).inc()
            self._metrics.posts.labels(str(refused.status)).inc()
            log.info("post_refused", status=refused.status, reason=refused.reason)
            return JSONResponse(refused.answer, refused.status, _AGAIN if refused.status == 503 else None)
        self._accepted.inc()
        answer = {"queue_id": taken.queue_id, "status": "queued", "message": _QUEUED, "estimated_wait_minutes": None}
        return JSONResponse(answer, 202)

    async def _taken(self, request: Request) -> Comparison:
        if self.stopping:
            raise Refused(503, "stopping", "The gateway is stopping", details="send it again")
        if self.full:
            most = self._settings.gateway.most_held
            raise Refused(503, "too_many", "Too many requests at once", details=f"{most} are held already: send it again")
        loop = asyncio.get_running_loop()
        hold = asyncio.timeout_at(loop.time() + self._settings.gateway.hold_s)
        self._held.add(hold)
        read: Comparison | None = None
        try:
            async with hold:
                body = await _body(request)
                read = bodies.read(body, request.headers, self._settings.allowed_callback_topics)
                del body  # of up to 1 MiB, and the record holds it too
                began_s = loop.time()
                await self._records.acknowledged(read.key, read.value)
                self._metrics.acknowledged_s.observe(loop.time() - began_s)
                return read
        except TimeoutError:
            raise self._over(read) from None
        except TooLarge as refusal:
            raise _too_large(str(refusal)) from None
        finally:
            self._held.discard(hold)

    def _over(self, read: Comparison | None) -> Refused:
        """The answer to a post whose time is over."""
        if read is None:
            return Refused(408, "too_slow", "The body has not come in time", details="send it again")
        identity = str(read.correlation_id)
        log.warning("post_not_acknowledged", correlation_id=identity, stopping=self.stopping)
        details = "Kafka has not acknowledged it yet: send the same body again, it is answered once"
        error = "The comparison could not be queued"
        return Refused(503, "not_acknowledged", error, details=details, correlation_id=identity)


async def _body(request: Request) -> bytes:
    """Read the body, up to what a record may hold; the rest of a larger one is not kept."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > RECORD_BYTES:
        raise _too_large(f"the body has {int(length):,} bytes")
    chunks, size = [], 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > RECORD_BYTES:
            raise _too_large("the body is larger than that")
    return b"".join(chunks)


def _too_large(said: str) -> Refused:
    details = f"a comparison with its envelope may have {RECORD_BYTES:,} bytes, Kafka's framing included: {said}"
    return Refused(413, "too_large", "Request body too large", details=details)
