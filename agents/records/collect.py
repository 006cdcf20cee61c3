"""collect: reads the request topic, judges every comparison that arrives, and puts entries into `rounds` and `requests`."""

import asyncio
from typing import Any

import structlog
from faust.types import Message

from agents.metrics.counters import Metrics
from agents.planning.planner import Judged, Planner
from agents.records.dead_letters import DeadLetters
from agents.records.suspect_essays import SuspectEssays
from domain import strategies
from domain.comparison import Member
from domain.outcome import Outcome
from domain.providers import PROVIDERS
from domain.rounds import Arrival, RoundEntry, Standing, iteration
from domain.strategies import STRATEGIES, Closes
from settings.settings import Settings
from streams import crashpoints
from streams.clock import Clock
from streams.kafka.consumer import append_time_ms
from streams.kafka.outbox import Outbox
from streams.wire import work
from streams.wire.requests import InboundMember, Undecodable
from tables import requests, rounds
from tables.faults import OtherLog, other_time
from tables.view import PartitionView, Tables

log = structlog.get_logger("collect")
# Outcomes in one work record, of up to 1.2 KB each. A request record can hold 8,000 rejected members: too many for one.
_REJECTED_A_RECORD = 1_000


class Collect:
    """The agent's body. `handle` has no await between what it reads and writes: step 1 of streams.kafka.consumer."""

    def __init__(
        self,
        settings: Settings,
        tables: Tables,
        outbox: Outbox,
        dead_letters: DeadLetters,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._settings, self._tables, self._outbox = settings, tables, outbox
        self._dead_letters, self._metrics, self._clock = dead_letters, metrics, clock
        self._planner, self._suspects = Planner(settings), SuspectEssays(metrics.census)
        self._without_batches = frozenset(name for name in PROVIDERS if not settings.provider(name).takes_batches)

    def handle(self, view: PartitionView, message: Message) -> "list[asyncio.Future[Any]]":
        """Handle one inbound record; returns the effects that must be done before its offset is acked. Raises OtherLog."""
        offset, append_ms = message.offset, append_time_ms(message)
        self._check_same_log(view, message, append_ms)
        effects: list[asyncio.Future[Any]] = []
        try:
            judged = self._judge(view, message, offset, append_ms)
        except Undecodable as error:
            effects.append(self._dead_letters.record(message, reason="undecodable", error=str(error)))
        except _TooOld as error:
            effects.append(self._dead_letters.record(message, reason="too_old", error=str(error)))
        except Exception as error:
            log.exception("record_not_judged", partition=view.partition, offset=offset)
            effects.append(self._dead_letters.record(message, reason="not_judged", error=repr(error)[:300]))
        else:
            self._put(view, message, judged, append_ms, effects)
        view.inbound.read(offset, append_ms)
        return effects

    def _check_same_log(self, view: PartitionView, message: Message, append_ms: int) -> None:
        """Raises OtherLog when `requests` remembers a different record at this offset: the topic was deleted and made again."""
        partition, offset = message.partition, message.offset
        if offset not in view.retained:
            return
        stored = requests.find(self._tables.requests, partition, offset)
        if stored is not None and (stored.append_ms, stored.raw) != (append_ms, message.value or b""):
            raise OtherLog(message.topic, partition, other_time(offset, append_ms, stored.append_ms))

    def _judge(self, view: PartitionView, message: Message, offset: int, append_ms: int) -> Judged:
        record = self._planner.read(message.value)
        age_s = (self._clock.now_ms() - append_ms) / 1000
        if age_s > self._settings.dedup_retention_s:
            raise _TooOld(
                f"the request is {age_s:.0f} s old, ids are remembered for {self._settings.dedup_retention_s:.0f} s: whether "
                "it was answered cannot be told; send it again under a new correlation id if it was not"
            )
        return self._planner.arrive(view.state, record, offset, append_ms)

    def _put(
        self,
        view: PartitionView,
        message: Message,
        judged: Judged,
        append_ms: int,
        effects: "list[asyncio.Future[Any]]",
    ) -> None:
        partition, offset = view.partition, message.offset
        for lost in judged.unanswerable:
            effects.append(self._member_letter(message, lost.member, lost.reason, lost.error, answered=False))
        if not judged.entries:
            return
        # Both entries are put on every reading, a re-reading too: after a kill between the two puts only one may be there.
        key = requests.key(partition, offset)
        effects.append(
            self._tables.requests.put(partition, key, requests.encode(requests.Stored(append_ms, message.value or b"")))
        )
        self._tables.parsed.keep(partition, offset, append_ms, len(message.value or b""), judged.record)
        view.retained.add(offset)
        crashpoints.point("between_request_puts", partition)
        entries = []
        for judged_now in judged.entries:
            # A fact is decided once: on a re-read its stored bytes are put again, for settings may have changed since.
            entry, put = rounds.put_once(self._tables.rounds, partition, judged_now)
            entries.append(entry)
            effects.append(put)
        self._tell_of_rounds(view, judged, entries)
        self._warn_of_nights(view, judged, entries)
        self._count_missed_batches(judged, entries)
        self._suspects.tell(partition, judged.record, entries)
        view.once_acked.close(offset, view.state.learn_record(offset, entries, self._clock.now_ms()))
        view.note_finished(view.work.next - 1)
        self._answer_rejected(message, judged, entries, append_ms, effects)
        crashpoints.point("after_request_puts", partition)

    @staticmethod
    def _tell_of_rounds(view: PartitionView, judged: Judged, entries: list[RoundEntry]) -> None:
        """Log once for each round that it has begun. To be called before the view learns the entries."""
        parent = judged.record.traceparent
        for entry in entries:
            if not entry.piece and not view.state.progress.of(entry.round_key, entry.offset).begun:
                log.info(
                    "round_opened",
                    partition=view.partition,
                    offset=entry.offset,
                    round=entry.round_key,
                    announced=entry.announced,
                    parts=entry.parts,
                    trace_id=parent.split("-")[1] if parent is not None else None,
                )

    def _warn_of_nights(self, view: PartitionView, judged: Judged, entries: list[RoundEntry]) -> None:
        """Warn once for each round after a cj_batch's first that waits for a night. Called before the view learns them."""
        said: set[str] = set()
        for entry in entries:
            scheduled = [
                arrival
                for arrival in entry.arrivals
                if arrival.standing is Standing.ACCEPTED and STRATEGIES[arrival.strategy].closes is Closes.SCHEDULE
            ]
            if not scheduled or entry.round_key in said or view.state.progress.of(entry.round_key, entry.offset).begun:
                continue
            said.add(entry.round_key)
            provider, position = scheduled[0].provider, scheduled[0].position
            number = next(iteration(member.metadata) for member in judged.record.members if member.position == position)
            if number < 1:
                continue
            self._metrics.nightly_iteration(provider)
            log.warning(
                "nightly_iteration",
                partition=view.partition,
                round=entry.round_key,
                iteration=number,
                provider=provider,
                said="each round of a cj_batch waits for a night of its own: ten rounds are ten nights",
            )

    def _count_missed_batches(self, judged: Judged, entries: list[RoundEntry]) -> None:
        """Count the comparisons that ask for a batch of a provider that takes none; one that is read again counts again."""
        missing = {
            arrival.position: arrival.provider
            for entry in entries
            for arrival in entry.arrivals
            if arrival.provider in self._without_batches and arrival.standing is Standing.ACCEPTED
        }
        if not missing:
            return
        honor = self._settings.honor_request_mode
        for member in judged.record.members:
            mode = member.metadata.get("cj_llm_batching_mode")
            if member.position in missing and strategies.misses_its_batch(mode, honor_request_mode=honor, batches=False):
                self._metrics.batch_not_taken(missing[member.position])

    def _answer_rejected(
        self,
        message: Message,
        judged: Judged,
        entries: list[RoundEntry],
        append_ms: int,
        effects: "list[asyncio.Future[Any]]",
    ) -> None:
        members = {member.position: member for member in judged.record.members}
        rejected: list[Outcome] = []
        for arrival, round_key in ((arrival, entry.round_key) for entry in entries for arrival in entry.arrivals):
            member = members[arrival.position]
            if arrival.standing is Standing.DUPLICATE:
                self._metrics.duplicate()
            elif arrival.standing is Standing.CONFLICT:
                said = f"correlation id {arrival.correlation_id} came before with other content; the first one's result stands"
                effects.append(
                    self._member_letter(message, member, "conflicting_content", said, answered=False, round_key=round_key)
                )
            elif arrival.standing is Standing.REJECTED:
                rejected.append(_rejection(Member(message.offset, arrival.position), arrival, append_ms))
                said = arrival.fault.message if arrival.fault else "rejected"
                reason = arrival.fault.code.value.lower() if arrival.fault else "rejected"
                effects.append(self._member_letter(message, member, reason, said, answered=True, round_key=round_key))
        for start in range(0, len(rejected), _REJECTED_A_RECORD):
            record = work.Outcomes(outcomes=tuple(rejected[start : start + _REJECTED_A_RECORD]))
            effects.append(self._outbox.send(self._settings.work_topic, work.encode(record), partition=message.partition))

    def _member_letter(
        self, message: Message, member: InboundMember, reason: str, error: str, *, answered: bool, round_key: str | None = None
    ) -> "asyncio.Future[Any]":
        return self._dead_letters.member(
            message, member.position, member.raw, reason=reason, error=error, answered=answered, round_key=round_key
        )


class _TooOld(ValueError):
    """A request older than the dedup retention: it may have been answered and forgotten."""


def _rejection(member: Member, arrival: Arrival, append_ms: int) -> Outcome:
    fault = arrival.fault
    if fault is None:
        raise ValueError(f"{member} is rejected without a fault")
    # The request's own append time, not the clock: so a re-reading sends the same bytes.
    mode = STRATEGIES[arrival.strategy].mode
    return Outcome(member, arrival.provider, arrival.model, append_ms, mode, fault=fault)
