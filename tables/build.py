"""Builds the view of a partition from its tables: what is pending, found by the rows beside the entries (tables.index).

What it takes follows from what is pending, however much is done. The tables may be ahead of the offset from which a topic is
read again, so facts at or beyond that offset are left out: the decision on work offset k must see only facts of records before
k. Which inbound records have to be known for that:

1. Those with an entry in `requests`. RequestsDone deletes it when every member has ended.
2. Those at or beyond the inbound offset that is read next: facts of the work topic may name them already.
3. Those of which a work record that is read again ends a member. Their `requests` entries may be gone (RequestsDone was
   acknowledged, the offset before it was not committed yet), but before that work record the member was open. Without it, a
   JobEnded that is read again would plan other members than it did.

Any other record that was passed has ended whole, before the work offset that is read next.
"""

import asyncio
from collections.abc import Iterable

import structlog

from domain.job import Claim, Job, Submission
from domain.outcome import ANSWERED
from domain.partition.state import PartitionState
from tables import audits, jobs, outcomes, requests, rounds
from tables.acknowledged import AcknowledgedTable
from tables.history import StoredHistory
from tables.view import PartitionView, ReadProgress, Tables

log = structlog.get_logger("build")
_SLICE = 500  # entries between two turns of the event loop
_BATCH_LIVES_MS = 49 * 3600 * 1000  # a batch has expired after 24 h at Anthropic and OpenAI, after 48 h at Google
_NO_OFFSET = (1 << 63) - 1  # no record is beyond it

Fact = tuple[int, int, str, jobs.Fact | outcomes.Endings]


async def build(tables: Tables, partition: int, *, inbound: ReadProgress, work: ReadProgress, now_ms: int) -> PartitionView:
    """Build the view of a partition.

    `inbound.next` and `work.next` are the offsets that will be read next. After the facts are applied, finished requests that
    still have an entry are found again: where a process was killed before it sent RequestsDone, they would stay for ever.
    """
    for table in (tables.rounds, tables.jobs, tables.outcomes):
        await _complete_index(table, partition)
    history = StoredHistory(tables.rounds, partition, tables.retention_ms)
    state = PartitionState(partition, history, inbound.next)
    view = PartitionView(partition, state, inbound, work)
    await _tell_what_is_known(view, tables)
    again = {one.member.offset for told in outcomes.since(tables.outcomes, partition, work.next) for one in told.endings}
    opened = sorted(offset for offset in view.retained | again if offset < inbound.next)
    for count, (offset, entries) in enumerate(rounds.entries(tables.rounds, partition, opened)):
        state.learn_record(offset, entries, now_ms)
        await _breathe(count)
    facts = await _facts_of(tables, partition, opened, inbound.next)
    for count, fact in enumerate(_in_log_order(facts, work.next)):
        _learn(state, fact)
        await _breathe(count)
    state.payments = outcomes.payments(tables.outcomes, partition)
    # Those of records that are read again too: they decide nothing but how windows are cut, once all has been read.
    for one in outcomes.corrections(tables.outcomes, partition):
        state.corrections.learn(one)
    for count, told in enumerate(audits.before(tables.audits, partition, work.next)):
        state.audits.learn(told)
        await _breathe(count)
    await _find_to_cancel(view, tables, now_ms)
    view.note_finished(work.next - 1)
    state.rounds.take_ended()  # these were logged when they ended
    return view


async def _complete_index(table: AcknowledgedTable, partition: int) -> None:
    """Make the rows of a store that has none yet, once: an earlier version of the worker has written it."""
    if table.is_indexed(partition):
        return
    log.info("index_made", table=table.name, partition=partition, said="once, for a store of an earlier version")
    for _ in table.index_anew(partition, _SLICE):
        await asyncio.sleep(0)


async def _tell_what_is_known(view: PartitionView, tables: Tables) -> None:
    """Note up to where the tables tell of the topics, and which requests have an entry."""
    partition = view.partition
    for count, offset in enumerate(requests.offsets(tables.requests, partition)):
        view.inbound.tell(offset)
        view.retained.add(offset)
        await _breathe(count)
    for progress, latest in (
        (view.inbound, rounds.latest(tables.rounds, partition)),
        (view.work, jobs.latest(tables.jobs, partition)),
    ):
        if latest is not None:
            progress.tell(*latest)
    ended = outcomes.latest(tables.outcomes, partition)
    if ended is not None:
        view.work.tell(ended)


async def _facts_of(tables: Tables, partition: int, opened: list[int], beyond: int) -> list[Fact]:
    """All facts about members of these inbound records, which are in order, and of those at `beyond` or after it."""
    facts: list[Fact] = []
    for count, job_id in enumerate(dict.fromkeys(jobs.of_records(tables.jobs, partition, opened, beyond))):
        facts += ((fact.offset, 1, job_id, fact) for fact in jobs.facts(tables.jobs, partition, job_id))
        await _breathe(count)
    for count, offset in enumerate(dict.fromkeys(outcomes.of_records(tables.outcomes, partition, opened, beyond))):
        told = outcomes.find(tables.outcomes, partition, offset)
        if told is not None:
            facts.append((offset, 0, "", told))
        await _breathe(count)
    return facts


def _in_log_order(facts: Iterable[Fact], before: int) -> list[Fact]:
    return sorted((fact for fact in facts if fact[0] < before), key=lambda fact: fact[:3])


def _learn(state: PartitionState, fact: Fact) -> None:
    _, _, job_id, known = fact
    if isinstance(known, Job):
        state.learn_planned(known)
    elif isinstance(known, Claim):
        state.learn_claim(job_id, known)
    elif isinstance(known, Submission):
        state.learn_submission(job_id, known)
    else:
        state.learn_endings(known.endings)


async def _find_to_cancel(view: PartitionView, tables: Tables, now_ms: int) -> None:
    """Find batches that were left without open members and may still run: the process may have died before cancelling them.

    A batch is left so when a record ends its last members, one of them without an answer. Whether one has, is found out by
    applying once more what the log says of the inbound records that the batch was for: all of it, for they may be done.
    """
    partition, before, since_ms = view.partition, view.work.next, now_ms - _BATCH_LIVES_MS + 1
    first = jobs.first_submitted(tables.jobs, partition, since_ms)
    if first is None:
        return
    unanswered: set[int] = set()
    for count, told in enumerate(outcomes.since(tables.outcomes, partition, first, unanswered=True)):
        if told.offset < before:
            unanswered.update(one.member.offset for one in told.endings if one.terminal and one.code != ANSWERED)
        await _breathe(count)
    recent: set[str] = set()
    offsets: set[int] = set()
    for count, job_id in enumerate(dict.fromkeys(jobs.of_records(tables.jobs, partition, sorted(unanswered), _NO_OFFSET))):
        facts = list(jobs.facts(tables.jobs, partition, job_id)) if job_id not in view.state.jobs else []
        if any(isinstance(one, Submission) and one.append_ms >= since_ms and one.offset < before for one in facts):
            recent.add(job_id)
            offsets.update(member.offset for one in facts if isinstance(one, Job) for member in one.plan.members)
        await _breathe(count)
    state = PartitionState(partition)
    for count, fact in enumerate(_in_log_order(await _facts_of(tables, partition, sorted(offsets), _NO_OFFSET), before)):
        owned: set[str] = set()
        if isinstance(fact[3], outcomes.Endings):
            ended = (one for one in fact[3].endings if one.terminal and one.code != ANSWERED)
            owned = recent & {state.owner.get(one.member, "") for one in ended}
        left = [state.jobs[job_id] for job_id in owned]
        _learn(state, fact)
        view.to_cancel.update((job.job_id, job) for job in left if job.job_id not in state.jobs and job.submission)
        await _breathe(count)


async def _breathe(count: int) -> None:
    if count % _SLICE == _SLICE - 1:
        await asyncio.sleep(0)
