"""reconcile: reads the work topic, puts `jobs` and `outcomes`, sends every terminal event, deletes finished `requests`."""

import asyncio
from collections.abc import Callable
from logging import DEBUG
from typing import Any, TypeVar

import structlog
from faust.types import Message
from msgspec import Struct
from msgspec.structs import replace
from pydantic import ValidationError

from agents.metrics.counters import Metrics
from agents.records import decide
from agents.records.dead_letters import DeadLetters
from agents.records.delivery import Delivery, Event, make_event
from agents.records.trace_context import Tracer
from domain.comparison import Member
from domain.job import Job
from domain.outcome import Outcome
from domain.reconciling import Verdict
from streams import crashpoints
from streams.clock import Clock
from streams.kafka.consumer import append_time_ms
from streams.kafka.outbox import Outbox
from streams.wire import work
from streams.wire.requests import InboundRecord
from tables import audits, jobs, outcomes, requests
from tables.codec import Codec
from tables.faults import StoreFault
from tables.view import PartitionView, Tables

log = structlog.get_logger("reconcile")
_CANCELLED_A_RECORD = 1_000  # outcomes in one record: about 400 KB
F = TypeVar("F", bound=jobs.Fact)


class MustWait(Exception):
    """A request's entry is missing at an inbound offset that collect has not passed yet."""


class _Effects(Struct, frozen=True, gc=False):
    """What one work record leads to, before any of it is done."""

    verdict: Verdict
    events: tuple[Event, ...]
    unsendable: tuple[tuple[Outcome, str, object], ...]
    too_large: tuple[Member, ...]  # events refused for their size at an earlier reading of the record
    read_before: bool  # an earlier reading has put the record's endings, and what it has cost


class Reconcile:
    """The agent's body. `handle` has no await between what it reads and writes: step 1 of streams.kafka.consumer."""

    def __init__(
        self,
        tables: Tables,
        outbox: Outbox,
        dead_letters: DeadLetters,
        metrics: Metrics,
        clock: Clock,
        tracer: Tracer | None,
    ) -> None:
        self._tables, self._outbox = tables, outbox
        self._dead_letters, self._metrics, self._clock = dead_letters, metrics, clock
        self._delivery, self._tracer = Delivery(tables, outbox, dead_letters), tracer

    def handle(self, view: PartitionView, message: Message) -> "list[asyncio.Future[Any]]":
        """Handle one work record; returns the effects that must be done before its offset is acked.

        Raises MustWait, with nothing written, when collect has to read further first. Raises NewerRecord, for a record that a
        newer worker has written, and StoreFault: both must stop this worker, for neither is a fault of the record.
        """
        offset, append_ms = message.offset, append_time_ms(message)
        effects: list[asyncio.Future[Any]] = []
        try:
            record = work.decode(message.value or b"")
            verdict = self._decide(view, record, offset, append_ms)
            planned = self._events(view, *self._as_found(view, offset, verdict))
        except (MustWait, work.NewerRecord, StoreFault):
            raise
        except Exception as error:
            reason = "undecodable" if isinstance(error, work.Undecodable) else "not_judged"
            log.exception("work_record_not_judged", partition=view.partition, offset=offset)
            effects.append(self._dead_letters.record(message, reason=reason, error=_said(error)))
        else:
            self._write(view, message, record, planned, effects)
        view.work.read(offset, append_ms)
        return effects

    def _decide(self, view: PartitionView, record: work.WorkRecord, offset: int, append_ms: int) -> Verdict:
        return decide.decide(view.state, record, offset, append_ms)

    def _as_found(self, view: PartitionView, offset: int, verdict: Verdict) -> tuple[Verdict, tuple[Member, ...], bool]:
        """Replace facts of a verdict by those that an earlier reading of this very record has put: a fact is decided once.

        Also returns the members whose event was refused for its size at that reading, and whether it has put endings.
        """
        partition = view.partition
        found_jobs = tuple(self._found(partition, job.job_id, "planned", jobs.PLANNED, job) for job in verdict.jobs)
        claims = tuple(
            (job_id, self._found(partition, job_id, "claimed", jobs.CLAIMED, claim)) for job_id, claim in verdict.claims
        )
        submissions = tuple(
            (job_id, self._found(partition, job_id, "submitted", jobs.SUBMITTED, submission))
            for job_id, submission in verdict.submissions
        )
        endings, terminal, paid = verdict.endings, verdict.terminal, verdict.paid
        too_large: tuple[Member, ...] = ()
        found = outcomes.find(self._tables.outcomes, partition, offset) if endings or paid else None
        if found is not None:
            endings, paid = found.endings, found.paid
            ended = {ending.member for ending in endings if ending.terminal}
            terminal = tuple(outcome for outcome in terminal if outcome.member in ended)
            too_large = tuple(outcome.member for outcome in terminal if self._was_too_large(partition, offset, outcome.member))
        told = verdict.audits
        if told is not None:
            told = audits.find(self._tables.audits, partition, offset) or told
        found_verdict = replace(
            verdict,
            jobs=found_jobs,
            claims=claims,
            submissions=submissions,
            endings=endings,
            terminal=terminal,
            paid=paid,
            audits=told,
        )
        return found_verdict, too_large, found is not None

    def _was_too_large(self, partition: int, offset: int, member: Member) -> bool:
        return self._tables.outcomes.find(partition, outcomes.too_large_key(partition, offset, member)) is not None

    def _found(self, partition: int, job_id: str, fact: str, codec: Codec[F], made: F) -> F:
        raw = self._tables.jobs.find(partition, jobs.key(partition, job_id, fact))
        found = codec.decode(raw) if raw is not None else made
        return found if found.offset == made.offset else made

    def _events(self, view: PartitionView, verdict: Verdict, too_large: tuple[Member, ...], read_before: bool) -> _Effects:
        events: list[Event] = []
        unsendable: list[tuple[Outcome, str, object]] = []
        read: dict[int, tuple[int, InboundRecord] | None] = {}  # a round's members are in few records: each is read once
        for outcome in verdict.terminal:
            offset = outcome.member.offset
            if offset not in read:
                read[offset] = self._request(view, offset)
            stored = read[offset]
            if stored is None:
                continue  # finished: the event was acknowledged before the entry was deleted
            append_ms, record = stored
            try:
                event = make_event(record, outcome, append_ms, traced=self._tracer is not None)
            except ValueError as error:
                unsendable.append((outcome, _said(error), record.members[outcome.member.position].raw))
            else:
                events.append(event.smallest() if outcome.member in too_large else event)
        return _Effects(verdict, tuple(events), tuple(unsendable), too_large, read_before)

    def _request(self, view: PartitionView, offset: int) -> tuple[int, InboundRecord] | None:
        found = self._tables.parsed.find(self._tables.requests, view.partition, offset)
        if found is None and not view.has_passed(offset):
            raise MustWait
        return found

    def _write(
        self,
        view: PartitionView,
        message: Message,
        record: work.WorkRecord,
        planned: _Effects,
        effects: "list[asyncio.Future[Any]]",
    ) -> None:
        partition, offset, verdict = view.partition, message.offset, planned.verdict
        parts = work.parts(record)
        for part in parts:
            crashpoints.point(f"before_{part.kind}_put", partition)
        self._put_facts(partition, offset, planned, effects)
        for event in planned.events:
            sent = self._delivery.send(message, event)
            sent.add_done_callback(self._count_result(event))
            effects.append(sent)
        for outcome, said, raw in planned.unsendable:
            position = outcome.member.position
            pending = view.state.pending.get(outcome.member)
            effects.append(
                self._dead_letters.member(
                    message,
                    position,
                    raw,
                    reason="unsendable",
                    error=said,
                    answered=False,
                    round_key=pending.round_key if pending is not None else None,
                )
            )
        self._learn(view, offset, parts, verdict)
        if not planned.read_before:  # otherwise it is in the sums that the view was built with
            view.state.payments.learn(verdict.paid)
        if isinstance(record, work.CancelRequested):
            effects += self._send_cancelled(view, message.topic, verdict)
            if not view.caught_up:
                view.cancels.append(message)
        if isinstance(record, work.RequestsDone):
            for done in record.offsets:
                effects.append(self._tables.requests.remove(partition, requests.key(partition, done)))
                view.retained.discard(done)
        for part in parts:
            crashpoints.point(f"after_{part.kind}_read", partition)

    def caught_up(self, view: PartitionView) -> None:
        """Decide again the cancel requests that were read before this: collect has read requests since, which they may mean."""
        for message in view.cancels:
            verdict = self._decide(view, work.decode(message.value or b""), message.offset, append_time_ms(message))
            self._send_cancelled(view, message.topic, verdict)
        view.cancels.clear()

    def _send_cancelled(self, view: PartitionView, topic: str, verdict: Verdict) -> "list[asyncio.Future[Any]]":
        """Send the Outcomes that end what is pending. Sending them again ends no member twice: the first one decides."""
        ended = verdict.cancelled
        if ended:
            pending = (view.state.pending.get(outcome.member) for outcome in ended)
            rounds = list(dict.fromkeys(one.round_key for one in pending if one is not None))
            log.info("cancelled_on_request", partition=view.partition, comparisons=len(ended), rounds=rounds)
        chunks = (ended[start : start + _CANCELLED_A_RECORD] for start in range(0, len(ended), _CANCELLED_A_RECORD))
        records = [work.encode(work.Outcomes(outcomes=chunk)) for chunk in chunks]
        return [self._outbox.send(topic, record, partition=view.partition) for record in records]

    def _put_facts(self, partition: int, offset: int, planned: _Effects, effects: "list[asyncio.Future[Any]]") -> None:
        verdict, tables = planned.verdict, self._tables
        if verdict.endings or verdict.paid:
            told = outcomes.Endings(offset, verdict.endings, verdict.paid)
            effects.append(outcomes.put(tables.outcomes, partition, told, is_new=not planned.read_before))
        if verdict.audits is not None:
            effects.append(audits.put(tables.audits, partition, verdict.audits))
        for member in planned.too_large:
            effects.append(outcomes.put_too_large(tables.outcomes, partition, offset, member))
        for number, job in enumerate(verdict.jobs):
            effects.append(jobs.put_planned(tables.jobs, partition, job))
            if not number:
                crashpoints.point("after_first_plan_put", partition)
        for claim in verdict.claims:
            effects.append(jobs.put_claimed(tables.jobs, partition, *claim))
        for submission in verdict.submissions:
            effects.append(jobs.put_submitted(tables.jobs, partition, *submission))
        if verdict.corrected is not None:
            effects.append(outcomes.put_corrected(tables.outcomes, partition, offset, verdict.corrected))

    def _learn(self, view: PartitionView, offset: int, parts: tuple[work.WorkRecord, ...], verdict: Verdict) -> None:
        state = view.state
        left = _owners(view, verdict)
        self._tell_of_correction(view, verdict)
        decide.learn(state, verdict)
        for record in parts:
            if isinstance(record, work.JobPlanned):
                view.sent_ahead.plan_read(record.plan.members)
            if isinstance(record, work.DeadlinePassed):
                view.sent_ahead.overdue_read(late.member for late in record.overdue)
        if verdict.surplus:
            self._count_surplus(parts, verdict.surplus)
        view.note_finished(offset)
        closed = [job for job in left if job.job_id not in state.jobs]
        view.to_cancel.update((job.job_id, job) for job in closed if job.submission is not None)
        view.once_acked.look_at(offset, (*_touched(parts, verdict), *(job.job_id for job in closed)))
        for ended, codes in state.rounds.take_ended():
            log.info("round_ended", partition=view.partition, round=ended, **codes)
        if log.is_enabled_for(DEBUG):
            log.debug(
                "work_record",
                partition=view.partition,
                offset=offset,
                kind="+".join(part.kind for part in parts),
                jobs=[job.job_id for job in verdict.jobs],
                ended=sum(1 for ending in verdict.endings if ending.terminal),
                ignored=verdict.ignored,
            )

    @staticmethod
    def _tell_of_correction(view: PartitionView, verdict: Verdict) -> None:
        """Log what is done about a bent judge where it changes something. To be called before the view learns it."""
        of, state = verdict.corrected, view.state
        if of is None or of.most is None:
            return
        before = state.corrections.most(of.provider, of.model)
        if before != (of.most or None):
            said = {"provider": of.provider, "model": of.model, "reason": of.reason}
            log.info("bundles_limited", partition=view.partition, most=of.most or None, before=before, **said)

    def _count_surplus(self, parts: tuple[work.WorkRecord, ...], surplus: int) -> None:
        """Count outcomes that came too late. Those of rejected input, which have no job, are sent as often as it is read."""
        of_jobs = [part for part in parts if isinstance(part, work.Outcomes) and part.job_id]
        if of_jobs:
            self._metrics.outcome_surplus(of_jobs[0].outcomes[0].provider, surplus)

    def _count_result(self, event: Event) -> "Callable[[asyncio.Future[Outcome | None]], None]":
        def acknowledged(sent: "asyncio.Future[Outcome | None]") -> None:
            outcome = None if sent.cancelled() or sent.exception() is not None else sent.result()
            if outcome is None:
                return
            name = "answered" if outcome.fault is None else outcome.fault.code.value
            self._metrics.result(name, outcome.provider, outcome.mode, (self._clock.now_ms() - event.append_ms) / 1000)
            if self._tracer is not None and event.trace is not None:
                self._tracer.ended(event.trace, outcome, self._clock.now_ms())

        return acknowledged


def _owners(view: PartitionView, verdict: Verdict) -> list[Job]:
    """The jobs that own a member which ends here."""
    state = view.state
    ids = {state.owner[ending.member]: None for ending in verdict.endings if ending.terminal and ending.member in state.owner}
    return [state.jobs[job_id] for job_id in ids]


def _touched(parts: tuple[work.WorkRecord, ...], verdict: Verdict) -> tuple[str, ...]:
    ids = [job.job_id for job in verdict.jobs]
    ids += (part.job_id for part in parts if isinstance(part, work.SubmitClaimed | work.Submitted | work.JobEnded))
    return tuple(ids)


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return "; ".join(f"{'.'.join(str(step) for step in one['loc'])}: {one['msg']}" for one in found[:3])
    return f"{type(error).__name__}: {error}"[:300]
