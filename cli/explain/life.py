"""The life of one comparison, read out of the topics: every record that concerns it, and what that record decided."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.records import decide
from domain import rounds, strategies
from domain.comparison import Member
from domain.job import Job
from domain.outcome import Outcome
from domain.partition.state import PartitionState
from domain.providers import PROVIDERS
from domain.reconciling import Verdict
from settings.settings import Settings
from streams.wire import work
from streams.wire.requests import InboundMember, Undecodable, read_record


@dataclass(frozen=True, slots=True)
class Step:
    """What one record did to the comparison. `at_ms`: its append time; `what`: one of a few words; `said`: a line on it."""

    at_ms: int
    topic: str
    partition: int
    offset: int
    what: str
    said: str


@dataclass(frozen=True, slots=True)
class Found:
    """A request record that holds the id: where the record is, and the id's position (of how many) and round in it."""

    partition: int
    member: Member
    at_ms: int
    size: int
    round_key: str
    batch: str | None  # its cj_batch_id, or without one its bos_batch_id
    content_sha256: str
    callback_topic: str | None
    provider: str = ""  # that it names itself
    mode: object = None  # its cj_llm_batching_mode


def find(correlation_id: UUID, partition: int, offset: int, at_ms: int, raw: bytes | None) -> list[Found]:
    """Where the id stands in one request record. Most do not hold it at all, and are not decoded."""
    if raw is None or str(correlation_id).encode() not in raw.lower():
        return []
    try:
        record = read_record(raw)
    except Undecodable:
        return []
    return [
        _found(one, partition, offset, at_ms, len(record.members))
        for one in record.members
        if one.correlation_id == correlation_id
    ]


def _found(one: InboundMember, partition: int, offset: int, at_ms: int, size: int) -> Found:
    member = Member(offset, one.position)
    key = rounds.round_key(one.metadata, member)
    kind, _, rest = key.partition(":")
    batch = None if kind == "own" else rest.rpartition(":")[0]
    provider = (one.body.llm_config_overrides.provider_override or "") if one.body is not None else ""
    mode = one.metadata.get("cj_llm_batching_mode")
    return Found(partition, member, at_ms, size, key, batch, one.content_sha256, one.callback_topic, provider.lower(), mode)


def requested(settings: Settings, found: Iterable[Found]) -> Iterator[Step]:
    """A step for each request that holds the id; of those in one partition the first counts."""
    topic = settings.request_topic
    first: dict[int, Found] = {}
    for one in found:
        before = first.setdefault(one.partition, one)
        said = f"position {one.member.position} of {one.size}, round {one.round_key}"
        if before is not one:
            same = before.content_sha256 == one.content_sha256
            said += "; a duplicate, passed over" if same else "; other content than before: a dead letter"
        said += _missed_batch(settings, one)
        yield Step(one.at_ms, topic, one.partition, one.member.offset, "requested", said)


def _missed_batch(settings: Settings, one: Found) -> str:
    """What to say of a request for a batch that its provider does not take, by the settings of this environment."""
    provider = one.provider or settings.default_provider
    batches = provider not in PROVIDERS or settings.provider(provider).takes_batches
    if not strategies.misses_its_batch(one.mode, honor_request_mode=settings.honor_request_mode, batches=batches):
        return ""
    return f"; it asks for a batch, and {provider} takes no batch jobs: it goes as {settings.strategy_for(provider)}"


class WorkScan:
    """The work records of the member's partition, read in order: each is decided again, as reconcile decided it.

    It may begin at any record that is older than the request: what is decided of a member depends on nothing before that.
    """

    def __init__(self, topic: str, found: Found, correlation_id: UUID) -> None:
        self._topic, self._found, self._id = topic, found, str(correlation_id)
        self._state = PartitionState(found.partition)
        self._held: set[str] = set()  # the jobs in which the member was planned

    def read(self, offset: int, at_ms: int, raw: bytes | None) -> list[Step]:
        """What this record did to the member: no step, one, or two (its job has ended, and it is planned again)."""
        try:
            record = work.decode(raw or b"")
        except ValueError:
            return []  # reconcile has put it into the dead letters
        said: list[tuple[str, str]] = []
        for number, part in enumerate(work.parts(record)):
            said += self._say(part, decide.decide(self._state, part, offset, at_ms, number))
        decide.learn(self._state, decide.decide(self._state, record, offset, at_ms))
        return [Step(at_ms, self._topic, self._found.partition, offset, what, text) for what, text in said]

    @property
    def standing(self) -> str:
        """Where the member stands after what has been read."""
        member = self._found.member
        if self._state.has_ended(member):
            return "ended"
        job = self._state.jobs.get(self._state.owner.get(member, ""))
        if job is None:
            return "in an open window, or not read yet"
        if job.submission is not None:
            return f"open, in job {job.job_id}, submitted as {job.submission.provider_job_id}"
        return f"open, in job {job.job_id}, {'claimed' if job.claim else 'planned'}"

    def _say(self, record: work.WorkRecord, verdict: Verdict) -> Iterator[tuple[str, str]]:
        match record:
            case work.JobPlanned():
                if self._found.member in record.plan.members:
                    yield from self._planned(verdict) or [("planned", f"ignored: {verdict.ignored or 'it is in another job'}")]
            case work.SubmitClaimed() if record.job_id in self._held:
                yield "claimed", _or_ignored(verdict, f"job {record.job_id} by worker run {record.worker_run}")
            case work.Submitted() if record.job_id in self._held:
                adopted = ", found there (adopted)" if record.adopted else ""
                yield "submitted", _or_ignored(verdict, f"job {record.job_id} as {record.provider_job_id}{adopted}")
            case work.Outcomes():
                yield from self._outcomes(record, verdict)
            case work.JobEnded() if record.job_id in self._held:
                why = f": {record.message}" if record.message else ""
                # Usually the record is ignored: an outcome had ended the job's last open member before.
                left = "; nothing of it was open any more" if verdict.ignored else ""
                yield "job ended", f"job {record.job_id}, {record.reason.value}{why}{left}"
                yield from self._planned(verdict)
                yield from self._ended(verdict)
            case work.DeadlinePassed():
                if self._found.member in {late.member for late in record.overdue}:
                    yield from self._ended(verdict) or [("deadline", "ignored: it had ended")]
            case work.CancelRequested():
                if self._id in record.ids or (record.batch is not None and record.batch == self._found.batch):
                    yield "cancel", f"requested for {record.batch or 'this id'}"
            case work.BundlesLimited() if not (record.since_ms or self._held):  # it is said for the first time, and matters
                most = f"at most {record.most} comparisons in a line" if record.most else "as many in a line as settings say"
                yield "limited", f"from here on {record.provider} {record.model}: {most} ({record.reason or 'no reason given'})"
            case work.RequestsDone():
                if self._found.member.offset in record.offsets:
                    yield "done", "the request record is answered whole, and its prompts are deleted"
            case _:
                return

    def _outcomes(self, record: work.Outcomes, verdict: Verdict) -> Iterator[tuple[str, str]]:
        by = f"job {record.job_id}" if record.job_id else "without a job"
        for outcome in record.outcomes:
            if outcome.member != self._found.member:
                continue
            decided = any(ending.member == outcome.member for ending in verdict.endings)
            yield "outcome", f"{_described(outcome)}, {by}" + ("" if decided else "; spent: it had ended, or moved on, before")

    def _planned(self, verdict: Verdict) -> list[tuple[str, str]]:
        jobs = [job for job in verdict.jobs if self._found.member in job.plan.members]
        self._held.update(job.job_id for job in jobs)
        return [("planned", _plan_described(job, self._found.member)) for job in jobs]

    def _ended(self, verdict: Verdict) -> list[tuple[str, str]]:
        return [("ended", _described(one)) for one in verdict.terminal if one.member == self._found.member]


def _or_ignored(verdict: Verdict, said: str) -> str:
    return f"{said}; ignored: {verdict.ignored}" if verdict.ignored else said


def _plan_described(job: Job, member: Member) -> str:
    plan = job.plan
    number, line = next((number, line) for number, line in enumerate(plan.lines) if member in line)
    slot = f" (slot {line.index(member) + 1} of {len(line)})" if len(line) > 1 else ""
    sent = f"as a {plan.transport.value} at {plan.provider} {plan.model}"
    return (
        f"job {job.job_id}, line {number} of {len(plan.lines)}{slot}, {sent}, "
        f"closed by {plan.closed_by.value}, attempt {plan.attempt}"
    )


def _described(outcome: Outcome) -> str:
    if outcome.answer is not None:
        return f"{outcome.answer.winner}, confidence {outcome.answer.confidence:g}, ${outcome.cost_usd:.6f}"
    if outcome.fault is not None:
        return f"{outcome.fault.code.value}: {outcome.fault.message}"
    retry = outcome.retry
    return f"to be asked again, {retry.cause.value}: {retry.message}" if retry is not None else "nothing"


def result(correlation_id: UUID, topic: str, partition: int, offset: int, at_ms: int, record: Any) -> Step | None:
    """The step of a record on a callback topic, found by its key; None for another id. Key and value are our own format."""
    if record.key != str(correlation_id).encode():
        return None
    try:
        event = json.loads(record.value)
        data = event["data"]
        verdict = data["winner"] or f"{data['error_detail']['error_code']}: {data['error_detail']['message']}"
        said = f"{verdict}, event id {event['event_id']}"
    except (ValueError, KeyError, TypeError):
        said = "not a result event"
    return Step(at_ms, topic, partition, offset, "event", said)


def dead_letter(
    found: Iterable[Found], topic: str, partition: int, offset: int, at_ms: int, headers: Mapping[str, str]
) -> Step | None:
    """The step of a dead letter that came from one of these request records."""
    place = (headers.get("source_partition"), headers.get("source_offset"))
    for one in found:
        if place == (str(one.partition), str(one.member.offset)) and headers.get("position") in (
            None,
            str(one.member.position),
        ):
            answered = headers.get("answered", "?")
            return Step(at_ms, topic, partition, offset, "dead letter", f"{headers.get('error', '')} (answered: {answered})")
    return None
