"""The state of a partition made from all entries of its tables, in the order of the log: what a rebuild must come to."""

from functools import cache
from typing import Any

from domain.auditing import AuditBook
from domain.closing import Load, Window
from domain.comparison import Member
from domain.job import Claim, Job
from domain.partition.payments import Payments
from domain.partition.state import PartitionState
from domain.rounds import COUNTED, RoundEntry
from tables import audits, jobs, outcomes, rounds
from tests.model.log import PARTITION, START_MS
from tests.model.worker import ModelWorker


@cache
def _entry(value: bytes) -> RoundEntry:
    return rounds.CODEC.decode(value)


@cache
def _endings(value: bytes) -> outcomes.Endings:
    return outcomes.CODEC.decode(value)


@cache
def _fact(kind: str, value: bytes) -> jobs.Fact:
    return jobs.CODECS[kind].decode(value)


def entries_of(worker: ModelWorker) -> list[RoundEntry]:
    """All entries of `rounds`, in the order of the log."""
    decoded = [_entry(value) for _, value in worker.tables["rounds"].entries(PARTITION)]
    return sorted(decoded, key=lambda entry: (entry.offset, entry.round_key, entry.piece))


def endings_of(worker: ModelWorker) -> list[outcomes.Endings]:
    """All entries of `outcomes`."""
    entries = worker.tables["outcomes"].entries(PARTITION)
    return [_endings(value) for name, value in entries if not name.endswith(b"/corrected")]


def state_of(worker: ModelWorker, inbound: int, work: int, now_ms: int) -> PartitionState:
    """The state that holds every record before these two offsets, done or not."""
    state = PartitionState(PARTITION)
    of_record: dict[int, list[RoundEntry]] = {}
    for entry in entries_of(worker):
        of_record.setdefault(entry.offset, []).append(entry)
    for offset, entries in of_record.items():
        if offset < inbound:
            state.learn_record(offset, entries, now_ms)
    facts: list[tuple[int, int, str, Any]] = [(told.offset, 0, "", told) for told in endings_of(worker)]
    for name, value in worker.tables["jobs"].entries(PARTITION):
        _, job_id, kind = name.decode().split("/")
        fact = _fact(kind, value)
        facts.append((fact.offset, 1, job_id, fact))
    for offset, _, job_id, fact in sorted(facts, key=lambda one: one[:3]):
        if offset >= work:
            continue
        if isinstance(fact, outcomes.Endings):
            state.learn_endings(fact.endings)
        elif isinstance(fact, Job):
            state.learn_planned(fact)
        elif isinstance(fact, Claim):
            state.learn_claim(job_id, fact)
        else:
            state.learn_submission(job_id, fact)
    state.payments = paid_of(worker)
    for _, value in worker.tables["audits"].entries(PARTITION):
        if (of_audits := audits.CODEC.decode(value)).offset < work:
            state.audits.learn(of_audits)
    return state


def paid_of(worker: ModelWorker) -> Payments:
    """What all entries of `outcomes` have cost, each once."""
    payments = Payments()
    for told in endings_of(worker):
        payments.learn(told.paid)
    return payments


def picture(state: PartitionState, worker: ModelWorker, names: list[str]) -> dict[str, Any]:
    """What decisions, timers and the status can see of a state.

    Not when a window was opened, and how old a job's comparisons are: these may be of members that have ended, which a rebuild
    does not meet.
    """
    entries = entries_of(worker)
    members = [entry.member(arrival) for entry in entries for arrival in entry.arrivals if arrival.standing in COUNTED]
    known = {name: one for name, one in state.history.known(names, 0).items() if one.member.offset < state._passed}
    return {
        "known": {name: (one.member, one.content_sha256, one.append_ms) for name, one in known.items()},
        "pending": state.pending,
        "suspects": state.suspects,
        "bytes": state.pending_bytes,
        "counts": +state.pending_counts,
        "windows": {key: (list(window.members), _loads(window)) for key, window in state.windows.items()},
        "progress": {one.round_key: state.progress.held(one.round_key) for one in state.pending.values()},
        "jobs": state.jobs,
        "owned": {job_id: state.owned(job_id) for job_id in state.jobs},
        "owner": state.owner,
        "retries": {job_id: state.retries_of(job_id) for job_id in state.jobs},
        "ended": {member: state.has_ended(member) for member in members},
        "oldest": (state.oldest_pending_ms(), state.nearest_deadline_ms()),
        "stages": {group: state.stages.entered.keys(group) for group in state.stages.entered},
        "audits": told_of(state.audits),
        "paid": ({name: round(usd, 9) for name, usd in state.payments.by_batch()}, round(state.payments.since(START_MS), 9)),
        "corrected": sorted((one.key, one.since_ms, one.most or 0) for one in state.corrections.kept(0)),
    }


def told_of(book: AuditBook) -> dict[str, Any]:
    """All that an AuditBook tells."""
    return {
        "complete": {(cell, day): dict(audits) for cell, day, audits in book.by_cell_and_day() if audits},
        "missing": dict(book.missing(1 << 40)),
        "under way": book.under_way,
        "usd": round(book.usd_since(0), 9),
    }


def _loads(window: Window) -> dict[str, Load]:
    return {provider: load for provider, load in window.loads.items() if load.items}


def abandoned_of(worker: ModelWorker, work: int, now_ms: int) -> set[str]:
    """The batches that a record before this offset has left without open members, one of them without an answer."""
    state, left = PartitionState(PARTITION), set[str]()
    facts: list[tuple[int, int, str, Any]] = [(told.offset, 0, "", told) for told in endings_of(worker)]
    for name, value in worker.tables["jobs"].entries(PARTITION):
        _, job_id, kind = name.decode().split("/")
        fact = _fact(kind, value)
        facts.append((fact.offset, 1, job_id, fact))
    for offset, _, job_id, fact in sorted(facts, key=lambda one: one[:3]):
        if offset >= work:
            continue
        if isinstance(fact, Job):
            state.learn_planned(fact)
        elif isinstance(fact, Claim):
            state.learn_claim(job_id, fact)
        elif isinstance(fact, outcomes.Endings):
            ended: list[Member] = [one.member for one in fact.endings if one.terminal and one.code != "answered"]
            owners = [state.jobs[state.owner[member]] for member in ended if member in state.owner]
            state.learn_endings(fact.endings)
            left |= {
                job.job_id
                for job in owners
                if job.job_id not in state.jobs and job.submission and now_ms - job.submission.append_ms < 25 * 3_600_000
            }
        else:
            state.learn_submission(job_id, fact)
    return left
