"""A consumer that commits only what we have acknowledged ourselves, strictly in offset order.

How a record is made durable, from its handling to its committed offset. Other modules refer to these steps by number.

Step 1. A handler (agents.records) reads tables, decides, writes and sends, without an await in between. Each write and each
        send gives a future: the effects of the record.
Step 2. A table write goes into RocksDB, where later reads see it at once, and as a record to the table's changelog
        (`AcknowledgedTable.put` in tables.acknowledged).
Step 3. One idempotent producer with acks=all sends all of it (streams.kafka.outbox); a future is done when the in-sync replicas
        have its record. A send that fails ends the process before step 6, so that the record will be read again.
Step 4. The record waits in the ack queue of its topic partition until its own effects are done, and those of every record
        before it (`AckQueue`).
Step 5. It is acked (`OrderedConsumer.acknowledge`). Only now is it acted upon: windows that its comparisons went into
        may close, and jobs of which it is a fact may go on (agents.loops).
Step 6. The next commit (every TESTING__COMMIT_INTERVAL_S) takes the offset after the last acked record
        (`OrderedConsumer._new_offset`).
Step 7. Apart from that, once a table write is acknowledged the store notes how far it holds the changelog, for a recovery to go
        on from there (`AcknowledgedTable._persisted`).

Killed before step 6, the record is read again: the handler puts the same bytes and sends the same bytes. Killed before step 7,
a recovery reads again what the store holds already.

Faust would break steps 4 and 6. It acks records of its own accord: those that were buffered when a rebalance changed the
generation are skipped and acked (streams.py, `value is skipped_value`), and an event whose agent fails is acked too. Each would
commit past a record that nobody handled. And where acks come out of order it commits too far (transport/consumer.py
`_new_offset`: with 37 open and 38 acked, 39 is committed). So Faust's own acks do nothing here, and a record gets acked only by
way of `AckQueue`.

Nor may Faust choose which records we see. After a seek, a fetch loop from before it may still set the read offset, and Faust
drops records below that (seen: a view at 45, and 63 came next); and it books what it has not delivered as a gap that may be
committed. Here every record that is fetched is delivered; agents.loops puts repeated and missing ones right.
"""

import asyncio
import inspect
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP, Message
from mode.services import WaitResults

from streams import failstop
from streams.failstop import RecordPlace
from streams.kafka.eager import begun
from streams.kafka.handover import Handover
from streams.kafka.security import ISOLATION_LEVEL
from streams.kafka.unreadable import located

# aiokafka has one fetch under way for each broker, which may wait this long for records. A partition that is not in that fetch,
# for its records are being handled, gets the next ones only by the fetch after it. So each hop (a record sent to the work topic
# and read back) could wait this long; Faust fixes it at 1,500 ms.
FETCH_MAX_WAIT_MS = 50
FULL_WAIT_S = 0.01
PAUSED_WAIT_S = 0.01
# When so many records came with one fetch there is load, and the next one waits for this long, about the producer's linger.
# With fewer it does not: a comparison has three hops to its provider's door, and each would be later by as much.
GATHER_FROM, GATHER_S = 8, 0.004


class PromptThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with short fetches, none of which is lost."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.handover = Handover()

    async def on_start(self) -> None:
        """Faust's own; and before anything is subscribed to, a worker with a name is made to say it."""
        await super().on_start()
        app: Any = self.app
        if app.static_member is not None:
            consumer: Any = self._consumer
            app.static_member.guard(consumer._coordinator)

    async def _fetch_records(self, consumer: Any, active_partitions: Any, *limits: Any, **named: Any) -> Any:
        async def fetch(wanted: Any) -> Any:
            return await super(PromptThread, self)._fetch_records(consumer, wanted, *limits, **named)

        try:
            return await self.handover.fetch(consumer, active_partitions, fetch)
        except Exception as error:
            unreadable = await located(error, consumer, list(consumer.assignment()))
            if unreadable is not None:
                failstop.stop("read", unreadable, RecordPlace(unreadable.topic, unreadable.partition, unreadable.offset))
            raise

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Tell of a partition that was never fetched, which is a part of Faust's own look.

        The rest goes by Faust's monitor, which is told of no record here (`RoundbatchApp`): five minutes after the start Faust
        would log of each partition with a backlog that its stream has not begun. Our watchdog sees streams that stand still.
        """
        self.verify_recovery_event_path(now, tp)

    def _create_worker_consumer(self, transport: Transport) -> Any:
        consumer: Any = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        # Faust reads records of aborted transactions too, unless it writes in transactions itself. aiokafka reads this
        # attribute when the consumer starts, so it is set before.
        consumer._isolation_level = ISOLATION_LEVEL
        return consumer


class _ReadOffsets(dict[TP, int | None]):
    """Faust's read offsets, never known: where none is known Faust delivers whatever it fetches.

    It is so for changelogs too. Their recovery passes over repeated records by itself, but a record that was dropped left it
    waiting for ever.
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
        self._many_came = False
        self._told_of_revocation: Any = self._on_partitions_revoked
        self._on_partitions_revoked = self._revoked
        self._acked_until_revoked: dict[TP, tuple[list[int], set[int]]] = {}

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's signature
        """Faust's own, with three waits put right.

        Just after many records came it waits a moment, so that those that follow closely come together: one record at a time
        costs as much as twenty. And Faust leaves a partition whose stream was full out of one call, which lasts 1 s (its
        timeout) when no other partition has records: such a call is given a shorter timeout. While a rebalance has all
        partitions paused Faust looks again after 1 s; here it is sooner, for they may be resumed at any time. (A worker that
        has no partitions, one too many, goes on looking each second.)
        """
        if self.flow_active and not self._get_active_partitions() and self.assignment():
            await asyncio.sleep(PAUSED_WAIT_S)
            return {}, set()
        if self._many_came:
            await asyncio.sleep(GATHER_S)
        # Only partitions that are ours count: one that was revoked while its stream was full stays in Faust's set until that
        # stream is read.
        wait_s = FULL_WAIT_S if self._buffered_partitions & self.assignment() else timeout
        records, active_partitions = await super()._wait_next_records(wait_s)
        if records and self.flow_active:  # Faust drops them when the flow is not active
            self._thread.handover.received()
        self._many_came = sum(map(len, (records or {}).values())) >= GATHER_FROM
        return records, active_partitions

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Faust's own; before it, whoever keeps something of the assignment before is told."""
        app, consumer = cast(Any, self.app), cast(Any, self._thread._consumer)
        if app.on_assigned is not None:
            app.on_assigned(assigned, consumer._coordinator.member_id, generation_id)
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Faust's own, which forgets what was acked since the last commit and only then stops the flow and commits.

        So every record of up to a commit interval was read again after each rebalance, and no view could go on (condition 4 of
        agents.partitions.kept). Here what was acked is put back before the commit, and forgotten after it.
        """
        self._acked_until_revoked = {tp: (self._acked[tp], self._acked_index[tp]) for tp in revoked if self._acked.get(tp)}
        await super().on_partitions_revoked(revoked)

    async def _revoked(self, revoked: set[TP]) -> None:
        for tp, (acked, index) in self._acked_until_revoked.items():
            self._acked[tp], self._acked_index[tp] = acked, index
        self._acked_until_revoked = {}
        try:
            await self._told_of_revocation(revoked)
        finally:
            for tp in revoked:  # where the commit was refused another worker may have them now
                self._acked.pop(tp, None)
                self._acked_index.pop(tp, None)

    async def wait_empty(self) -> None:
        """Faust's own without its full garbage collection at each turn, which stands still for 0.5 s beside 100,000 pending."""
        while not self.should_stop and self._unacked_messages:
            await self.commit()
            if self._unacked_messages:
                await self._wait_for_ack(timeout=1)
                self._clean_unacked_messages()
        await self.commit_and_end_transactions()

    async def wait_first(self, *waited: Any, timeout: Any = None) -> WaitResults:  # noqa: ASYNC109 - Faust's signature
        """Faust's own, but without its four tasks for a record that went into its stream without waiting."""
        first = waited[0]
        if isinstance(first, asyncio.Future) and first.done() and not self.should_stop:
            for other in waited[1:]:
                if inspect.iscoroutine(other):
                    other.close()
            return WaitResults([first], [first.result()], False)
        return await super().wait_first(*waited, timeout=timeout)

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit (step 6): the one after the last record acked, None where nothing was acked since."""
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
        """Mark a record as done (step 5); its offset is committed with the next commit."""
        super().ack(message)

    def ends(self, tp: TP) -> tuple[int, int]:
        """Where a partition ended at its last fetch: before its first open transaction, and its very end. 0, 0: not known."""
        consumer: Any = self._thread._consumer
        subscription = None if consumer is None else consumer._subscription.subscription
        if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
            return 0, 0
        # The fetcher sets these in its own thread, so they are read into variables of ours before they are looked at.
        state = subscription.assignment.state_value(tp)
        stable, end = state.lso, state.highwater
        return (0, 0) if stable is None or end is None else (stable, end)

    async def seek_back(self, tp: TP, offset: int) -> bool:
        """Read on from an offset. False when the partition is not ours any more.

        The seek is done in the thread in whose event loop aiokafka's consumer lives. Faust's own `seek` does it in ours and so
        wakes aiokafka's fetcher from the wrong loop: with PYTHONASYNCIODEBUG that raises, without it is a race.
        """
        thread = self._thread

        async def seek() -> bool:
            consumer = thread._ensure_consumer()
            if tp not in consumer.assignment():
                return False
            consumer.seek(tp, offset)
            return True

        return bool(await thread.call_thread(seek))

    def let_go(self, message: Message) -> None:
        """Let go of a record that will not be acknowledged, for a rebalance would wait for it. It is read again later."""
        self._unacked_messages.discard(message)


class OrderedTransport(Transport):
    """aiokafka's transport with our consumer."""

    Consumer = OrderedConsumer


class AckQueue:
    """The records of one topic partition whose effects are under way (step 4).

    A record is acked when its own effects are done and all records before it are acked.
    """

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


def append_time_ms(message: Message) -> int:
    """The record's append time in ms since the epoch; Faust gives seconds as a float."""
    return round(message.timestamp * 1000)
