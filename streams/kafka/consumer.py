"""A consumer that commits only what we have acknowledged ourselves, strictly in offset order.

Faust acks records of its own accord: those that were buffered when a rebalance changed the generation are skipped and acked
(streams.py, `value is skipped_value`), and an event whose agent fails is acked too. Each would commit past a record that
nobody handled. And of acks out of order it commits too far (transport/consumer.py `_new_offset`: with 37 open and 38 acked,
39 is committed). So Faust's own acks do nothing here; `AckQueue` is the only way to one.

Nor may Faust choose which records we see. It drops those below a read offset that a fetch loop from before a seek may have set
after it (seen: a view at 45, and 63 came next), and books what it has not delivered as a gap that may be committed. Here every
record that is fetched is delivered; agents.loops puts repeated and missing ones right.
"""

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, Message
from mode.services import WaitResults

from streams import failstop
from streams.failstop import Place
from streams.kafka.eager import begun
from streams.kafka.handover import Handover
from streams.kafka.security import ISOLATION_LEVEL
from streams.kafka.unreadable import located

# aiokafka has one fetch under way for each broker. A partition that is handled meanwhile gets its next records only by the
# next fetch, so each hop through the log could wait this long; Faust fixes it at 1,500 ms.
FETCH_MAX_WAIT_MS = 50
FULL_WAIT_S = 0.01
GATHER_S = 0.004  # as the producer's linger: added to each hop, where a batch job takes minutes


class PromptThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with short fetches, none of which is lost."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.handover = Handover()

    async def _fetch_records(self, consumer: Any, active_partitions: Any, *limits: Any, **named: Any) -> Any:
        async def fetch(wanted: Any) -> Any:
            return await super(PromptThread, self)._fetch_records(consumer, wanted, *limits, **named)

        try:
            return await self.handover.fetch(consumer, active_partitions, fetch)
        except Exception as error:
            unreadable = await located(error, consumer, list(consumer.assignment()))
            if unreadable is not None:
                failstop.stop("read", unreadable, Place(unreadable.topic, unreadable.partition, unreadable.offset))
            raise

    def _create_worker_consumer(self, transport: Transport) -> Any:
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        # Faust reads what was aborted, too, unless it writes in transactions itself. Set before the start, which reads it.
        consumer._isolation_level = ISOLATION_LEVEL
        return consumer


class _ReadOffsets(dict[TP, int | None]):
    """Faust's read offsets, never known: with none known it delivers what it fetches.

    For changelogs too, whose recovery passes over what it has seen itself: a record that was dropped left it waiting for ever.
    """

    def __getitem__(self, tp: TP) -> int | None:
        return None


class OrderedConsumer(Consumer):
    """Ignores Faust's own acks, delivers whatever is fetched, commits the offset after the last one acknowledged."""

    _thread: PromptThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset: Any = _ReadOffsets()
        deliver: Any = self.callback
        self.callback = lambda message: begun(deliver(message))
        self._came_just_now = False

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's signature
        """Faust's own, with two waits put right.

        Just after records came, what follows closely may gather: a record at a time costs as much as twenty. And a partition
        whose stream was full is left out for the length of one call, which without records of others lasts its timeout, 1 s.
        """
        if self._came_just_now:
            await asyncio.sleep(GATHER_S)
        # Of those that are ours: one revoked while its stream was full stays in Faust's set until that stream is read.
        wait_s = FULL_WAIT_S if self._buffered_partitions & self.assignment() else timeout
        records, active_partitions = await super()._wait_next_records(wait_s)
        if records and self.flow_active:  # else Faust drops them
            self._thread.handover.received()
        self._came_just_now = bool(records)
        return records, active_partitions

    async def wait_first(self, *waited: Any, timeout: Any = None) -> WaitResults:  # noqa: ASYNC109 - Faust's signature
        """Faust's own, but for a record that could be put into its stream at once: four tasks a record less."""
        first = waited[0]
        if isinstance(first, asyncio.Future) and first.done() and not self.should_stop:
            for other in waited[1:]:
                if inspect.iscoroutine(other):
                    other.close()
            return WaitResults([first], [first.result()], False)
        return await super().wait_first(*waited, timeout=timeout)

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        offset = max(acked) + 1  # acknowledged in order: all before it are done, or are no records
        self._acked_index[tp].difference_update(acked)
        acked.clear()
        return offset

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Book nothing: what was not delivered is not done."""

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return PromptThread(self, loop=self.loop, beacon=self.beacon)

    def ack(self, message: Message) -> bool:
        """Do nothing: a record is acknowledged through acknowledge()."""
        return False

    def acknowledge(self, message: Message) -> None:
        """Mark a record as done; its offset is committed with the next commit."""
        super().ack(message)

    def ends(self, tp: TP) -> tuple[int, int]:
        """Where a partition ended at its last fetch: before the first open transaction, and altogether. 0, 0: not known."""
        consumer: Any = self._thread._consumer
        subscription = None if consumer is None else consumer._subscription.subscription
        if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
            return 0, 0
        state = subscription.assignment.state_value(tp)  # set by the fetcher in its own thread: read at once, one by one
        stable, end = state.lso, state.highwater
        return (0, 0) if stable is None or end is None else (stable, end)

    async def seek_back(self, tp: TP, offset: int) -> bool:
        """Read on from an offset. False when the partition is not ours any more.

        Done in the thread in whose event loop aiokafka's consumer lives: Faust's own `seek` calls it from ours, which wakes its
        fetcher from the wrong loop (with PYTHONASYNCIODEBUG it raises, without it is a race).
        """
        thread = self._thread

        async def seek() -> bool:
            consumer = thread._ensure_consumer()
            if tp not in consumer.assignment():
                return False
            consumer.seek(tp, offset)
            return True

        return bool(await thread.call_thread(seek))

    def abandon(self, message: Message) -> None:
        """Let go of a record that will not be acknowledged: a rebalance would wait for it, and it is read again."""
        self._unacked_messages.discard(message)


class OrderedTransport(Transport):
    """aiokafka's transport with our consumer."""

    Consumer = OrderedConsumer


class AckQueue:
    """The records of one topic partition whose writes and sends are under way; each is acked when those before it are."""

    def __init__(self, acknowledge: Callable[[Message], None], acked: Callable[[int], None]) -> None:
        self._acknowledge = acknowledge
        self._acked = acked
        self._records: deque[_Entry] = deque()

    def add(self, message: Message, effects: "Sequence[asyncio.Future[Any]]") -> None:
        """Put a record at the end of the queue; `acked` is called with its offset once it has been acked."""
        entry = _Entry(message)
        self._records.append(entry)
        entry.open = len(effects)
        for effect in effects:
            effect.add_done_callback(lambda done: self._done(entry, done))
        if not effects:
            self._advance()

    def _done(self, entry: "_Entry", effect: "asyncio.Future[Any]") -> None:
        if effect.cancelled():
            return  # the loop is closing: the record stays unacked and is read again
        if effect.exception() is not None:
            failstop.stop("effect of a record", effect.exception() or RuntimeError(), failstop.place_of(entry.message))
        entry.open -= 1
        if not entry.open:
            self._advance()

    def _advance(self) -> None:
        while self._records and not self._records[0].open:
            entry = self._records.popleft()
            self._acknowledge(entry.message)
            self._acked(entry.message.offset)


class _Entry:
    __slots__ = ("message", "open")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.open = 0
