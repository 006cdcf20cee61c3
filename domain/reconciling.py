"""What one record of the work topic decides, given the state before it. The first deciding record wins.

Each function returns a Verdict: facts to be put, and terminal outcomes to be sent as events. None of them writes anything.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import UNSET, Struct
from msgspec.structs import replace

from domain.answer import ESSAY_A
from domain.auditing import Delivered, Facts, ShadowReply, watched
from domain.comparison import Member
from domain.job import Claim, Job, Plan, Submission
from domain.outcome import ANSWERED, Ending, Outcome
from domain.partition.corrections import Correction
from domain.partition.payments import Paid, add_up
from domain.partition.state import PartitionState
from domain.replanning import MISSING, replan
from domain.reply import Cause, ErrorCode, Fault, Retry
from domain.rounds import is_of_batch
from domain.strategies import STRATEGIES


class JobEnd(StrEnum):
    """Why a job has ended: the reason in JobEnded."""

    READ = "read"  # every row or answer that there is has been sent as Outcomes
    REFUSED_CONTENT = "refused_content"
    REFUSED_ACCOUNT = "refused_account"
    ACCOUNT_PAUSED = "account_paused"  # refused by the account, and no job of it goes until it answers again
    OVER_BUDGET = "over_budget"  # not sent, for a budget has no room for it: its comparisons end
    SPLIT = "split"  # not sent: it wants more than a whole budget, and its halves may fit
    NOT_STARTED = "not_started"
    # The upload took longer than the claim held. Planned again after a wait: otherwise it would go on for ever.
    STARTED_LATE = "started_late"
    ABSENT = "absent"
    ESCALATED = "escalated"  # its deadline is near, so what it has not answered goes as calls


_CAUSES = {
    JobEnd.REFUSED_CONTENT: (Cause.REFUSED_CONTENT, ErrorCode.INVALID_REQUEST),
    JobEnd.REFUSED_ACCOUNT: (Cause.REFUSED_ACCOUNT, ErrorCode.QUOTA_EXCEEDED),
    JobEnd.ACCOUNT_PAUSED: (Cause.ACCOUNT_PAUSED, ErrorCode.QUOTA_EXCEEDED),
    JobEnd.OVER_BUDGET: (Cause.OVER_BUDGET, ErrorCode.QUOTA_EXCEEDED),
    JobEnd.SPLIT: (Cause.SPLIT, ErrorCode.QUOTA_EXCEEDED),
    JobEnd.NOT_STARTED: (Cause.NOT_STARTED, ErrorCode.PROCESSING_ERROR),
    JobEnd.STARTED_LATE: (Cause.STARTED_LATE, ErrorCode.PROCESSING_ERROR),
    JobEnd.ABSENT: (Cause.ABSENT, ErrorCode.EXTERNAL_SERVICE_ERROR),
    JobEnd.ESCALATED: (Cause.ESCALATED, ErrorCode.TIMEOUT),
}


class Verdict(Struct, frozen=True, gc=False):
    """What a record decides. `jobs` are to be put as planned, `endings` as outcomes; `terminal` become events.

    ignored: why nothing follows. surplus: how many outcomes came for members that had ended already. cancelled: outcomes to be
    sent to the work topic, where they then decide. paid: what everything in the record has cost, used or not. corrected: what
    is done about a bent judge. audits: what it tells of shadow audits.
    """

    jobs: tuple[Job, ...] = ()
    claims: tuple[tuple[str, Claim], ...] = ()
    submissions: tuple[tuple[str, Submission], ...] = ()
    endings: tuple[Ending, ...] = ()
    terminal: tuple[Outcome, ...] = ()
    ignored: str = ""
    surplus: int = 0
    cancelled: tuple[Outcome, ...] = ()
    paid: tuple[Paid, ...] = ()
    corrected: Correction | None = None
    audits: Facts | None = None


def planned(state: PartitionState, offset: int, append_ms: int, plan: Plan, number: int = 0) -> Verdict:
    """JobPlanned: keeps the members that no open job owns and that have no outcome. `number`: its place in its record."""
    kept = plan.only({member for member in plan.members if state.is_open(member)})
    if not kept.lines:
        return Verdict(ignored="no member left")
    job = state.job_of(kept, offset, append_ms, number)
    return Verdict(jobs=(job,), audits=Facts(offset, append_ms, watched(job, state.suspects)) if kept.shadows else None)


def claimed(state: PartitionState, job_id: str, claim: Claim) -> Verdict:
    """SubmitClaimed: it counts when it is the first claim of a job that still owns an open member."""
    job = state.jobs.get(job_id)
    if job is None:
        return Verdict(ignored="the job owns no open member")
    if job.claim is not None:
        return Verdict(ignored="claimed before")
    return Verdict(claims=((job_id, claim),))


def submitted(state: PartitionState, job_id: str, submission: Submission) -> Verdict:
    """Submitted: it counts when it is the first of an open job."""
    job = state.jobs.get(job_id)
    if job is None:
        return Verdict(ignored="the job owns no open member")
    if job.submission is not None:
        return Verdict(ignored="submitted before")
    return Verdict(submissions=((job_id, submission),))


def outcomes(state: PartitionState, job_id: str, came: Sequence[Outcome], *, offset: int = 0, append_ms: int = 0) -> Verdict:
    """Outcomes: each ends its member, unless it is a retry, which leaves it open. For a member that has ended it is surplus."""
    endings: list[Ending] = []
    terminal: list[Outcome] = []
    counted: list[Outcome] = []
    here: set[Member] = set()
    surplus = 0
    for outcome in came:
        if state.has_ended(outcome.member) or outcome.member in here:
            surplus += 1
        elif outcome.retry is not None:
            if state.owner.get(outcome.member) == job_id:
                endings.append(Ending(outcome.member, job_id=job_id, retry=outcome.retry))
                counted.append(outcome)
        else:
            here.add(outcome.member)
            terminal.append(outcome)
            counted.append(outcome)
            endings.append(_ending(outcome))
    paid = add_up(Paid(outcome.paying_batch, outcome.completed_ms, outcome.cost_usd) for outcome in came)
    delivered = _delivered(state, job_id, counted)
    audits = Facts(offset, append_ms, delivered=delivered) if delivered else None
    return Verdict(endings=tuple(endings), terminal=tuple(terminal), surplus=surplus, paid=paid, audits=audits)


def _delivered(state: PartitionState, job_id: str, came: Sequence[Outcome]) -> tuple[Delivered, ...]:
    """What a job's lines have brought for those of its members that are audited."""
    job = state.jobs.get(job_id)
    if job is None or not job.plan.shadows:
        return ()
    audited_members = {shadow.member for shadow in job.plan.shadows}
    return tuple(
        Delivered(one.member, one.answer.winner == ESSAY_A, one.answer.confidence)
        if one.answer is not None
        else Delivered(one.member, None)
        for one in came
        if one.member in audited_members
    )


def audited(state: PartitionState, offset: int, append_ms: int, completed_ms: int, came: Sequence[ShadowReply]) -> Verdict:
    """Audited: of two replies to one shadow the first counts, for a batch may be read twice. What it has cost is no batch's."""
    replies = state.audits.new(came)
    if not replies:
        return Verdict(ignored="known before")
    paid = add_up(Paid("", completed_ms, reply.usd) for reply in replies)
    return Verdict(paid=paid, audits=Facts(offset, append_ms, replies=replies))


def _ending(outcome: Outcome) -> Ending:
    if outcome.fault is not None:
        return Ending(outcome.member, code=outcome.fault.code.value)
    return Ending(outcome.member, code=ANSWERED, a_won=UNSET if outcome.answer is None else outcome.answer.winner == ESSAY_A)


def job_ended(
    state: PartitionState,
    offset: int,
    append_ms: int,
    *,
    job_id: str,
    claim_offset: int | None,
    reason: JobEnd,
    message: str,
    code: ErrorCode | None = None,
) -> Verdict:
    """JobEnded: the open members that the job still owns are planned again, or end in an error.

    The record is ignored when the job has a claim that it does not name: somebody may be creating a batch under that claim.
    """
    job = state.jobs.get(job_id)
    if job is None:
        return Verdict(ignored="the job owns no open member")
    if job.claim is not None and job.claim.offset != claim_offset:
        return Verdict(ignored="a claim stands that it does not name")
    owned = state.owned(job_id)
    if reason is JobEnd.READ:
        said = state.retries_of(job_id)
        retries = {member: said.get(member, MISSING) for member in owned}
    else:
        cause, usual = _CAUSES[reason]
        retries = dict.fromkeys(owned, Retry(cause, code or usual, message))
    following = replan(job.plan, retries, append_ms)
    return Verdict(
        jobs=tuple(state.job_of(plan, offset, append_ms, number) for number, plan in enumerate(following.plans)),
        endings=tuple(Ending(member, code=fault.code.value) for member, fault in following.faults),
        terminal=tuple(
            Outcome(member, job.plan.provider, job.plan.model, append_ms, job.plan.mode, fault=fault)
            for member, fault in following.faults
        ),
    )


class Overdue(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A member whose deadline has passed, with what settings resolved for it. code, message: what it was waiting for."""

    member: Member
    provider: str
    model: str
    mode: str
    deadline_ms: int
    code: ErrorCode = ErrorCode.TIMEOUT
    message: str = ""


def deadline_passed(state: PartitionState, append_ms: int, overdue: Iterable[Overdue]) -> Verdict:
    """DeadlinePassed: ends the members without an outcome, in TIMEOUT unless they waited for an account or for money."""
    open_ones = [late for late in overdue if not state.has_ended(late.member)]
    return Verdict(
        endings=tuple(Ending(late.member, code=late.code.value) for late in open_ones),
        terminal=tuple(
            Outcome(
                late.member,
                late.provider,
                late.model,
                append_ms,
                late.mode,
                fault=Fault(
                    late.code,
                    f"the deadline passed; {late.message}"
                    if late.message
                    else "the deadline passed before the provider answered",
                    {"deadline_ms": late.deadline_ms, "passed_by_ms": append_ms - late.deadline_ms},
                ),
            )
            for late in open_ones
        ),
    )


def cancelled(state: PartitionState, append_ms: int, batch: str | None, ids: Iterable[str]) -> Verdict:
    """CancelRequested: the outcomes that are to end the members that are pending here, for an Outcomes record to decide.

    Who is pending depends on how far collect has read, and not on the work records alone: read again, this record might find
    others. So it ends nobody itself.
    """
    known = state.history.known(tuple(ids), append_ms)
    named = {one.member for one in known.values() if one.member in state.pending}
    if batch is not None:
        named.update(member for member, pending in state.pending.items() if is_of_batch(pending.round_key, batch))
    outcomes = []
    for member in sorted(named):
        pending = state.pending[member]
        job = state.jobs.get(state.owner.get(member, ""))
        mode = job.plan.mode if job is not None else STRATEGIES[pending.resolved.strategy].mode
        fault = Fault(ErrorCode.SERVICE_UNAVAILABLE, "cancelled on request")
        outcomes.append(Outcome(member, pending.resolved.provider, pending.resolved.model, append_ms, mode, fault=fault))
    return Verdict(cancelled=tuple(outcomes))


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Several records as one. What two of them decide, the first one decides, as if it had come before the other."""
    ended: set[Member] = set()
    planned_here: set[Member] = set()
    jobs: list[Job] = []
    endings: list[Ending] = []
    terminal: list[Outcome] = []
    surplus = 0
    for verdict in verdicts:
        doubled = ended.intersection(outcome.member for outcome in verdict.terminal)
        surplus += verdict.surplus + len(doubled)
        endings += (ending for ending in verdict.endings if ending.member not in ended)
        terminal += (outcome for outcome in verdict.terminal if outcome.member not in doubled)
        ended.update(outcome.member for outcome in verdict.terminal)
        for job in verdict.jobs:
            members = set(job.plan.members)
            if not members.isdisjoint(planned_here):
                job = replace(job, plan=job.plan.only(members - planned_here))
            if job.plan.lines:
                jobs.append(job)
            planned_here |= members
    claims: dict[str, Claim] = {}
    submissions: dict[str, Submission] = {}
    told = [verdict.audits for verdict in verdicts if verdict.audits is not None]
    for verdict in verdicts:
        for job_id, claim in verdict.claims:
            claims.setdefault(job_id, claim)
        for job_id, submission in verdict.submissions:
            submissions.setdefault(job_id, submission)
    return Verdict(
        jobs=tuple(jobs),
        claims=tuple(claims.items()),
        submissions=tuple(submissions.items()),
        endings=tuple(endings),
        terminal=tuple(terminal),
        ignored="; ".join(dict.fromkeys(verdict.ignored for verdict in verdicts if verdict.ignored)),
        surplus=surplus,
        paid=add_up(one for verdict in verdicts for one in verdict.paid),
        audits=_audits(told, jobs) if told else None,
    )


def _audits(told: Sequence[Facts], jobs: Iterable[Job]) -> Facts:
    # A line has one audited member, so that it tells of its line whether it holds a suspect.
    suspects = {one.member for facts in told for one in facts.watched if one.suspect}
    return Facts(
        told[0].offset,
        told[0].at_ms,
        tuple(one for job in jobs for one in watched(job, suspects)),
        tuple(one for facts in told for one in facts.delivered),
        tuple(one for facts in told for one in facts.replies),
    )
