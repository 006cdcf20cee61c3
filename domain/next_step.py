"""What is to be done next with an open job: one pure decision for the dispatcher."""

from dataclasses import dataclass
from enum import StrEnum

from domain.job import Job, Transport


class Step(StrEnum):
    """The dispatcher's next step."""

    NOTHING = "nothing"  # a step or record is under way, or the latest fact is not acked: what ends that leads on
    NO_KEY = "no_key"  # this worker has no key for the account: report it, and look again later
    WAIT = "wait"  # for a time, or for a record to be read back
    CALL = "call"  # ask the open lines by synchronous calls
    CLAIM = "claim"  # send SubmitClaimed
    CREATE = "create"  # the claim is ours and holds: create the batch
    GIVE_BACK = "give_back"  # the claim is ours and not called upon, and it has run out or the deadline is near
    ESCALATE = "escalate"  # not claimed, and its deadline is near: its members go as calls
    FIND = "find"  # claimed, perhaps called, not answered: look for it at the provider
    POLL = "poll"  # submitted: look at it


@dataclass(frozen=True, slots=True)
class Here:
    """What a process knows of a job beside its facts.

    has_key: it has a key for the job's account. under_way: a step, or the Submitted or JobEnded that a step has sent.
    claim_age_s: seconds on its running clock since it sent its claim, None if it never did. called: it has called upon that
    claim, which it may do once, even if the partition goes and comes back.
    """

    worker_run: str
    has_key: bool = True
    under_way: bool = False
    claim_age_s: float | None = None
    called: bool = False


def next_step(job: Job, here: Here, *, acked: int, now_ms: int) -> Step:
    """Decide by the job's facts and by what this process knows of it.

    acked: the work records before this offset are acknowledged. Nothing is done for a fact that is not: were it lost with this
    process, it must not have led to anything.
    """
    if here.under_way or job.last_offset >= acked:
        return Step.NOTHING
    if not here.has_key:
        return Step.NO_KEY
    if job.submission is not None:
        return Step.POLL
    escalate_at_ms = job.plan.escalate_at_ms
    escalates = escalate_at_ms is not None and now_ms >= escalate_at_ms
    if job.claim is None:
        if escalates and here.claim_age_s is None:
            return Step.ESCALATE
        if now_ms < job.plan.not_before_ms:
            return Step.WAIT
        if job.plan.transport is Transport.CALL:
            return Step.CALL
        return Step.CLAIM if here.claim_age_s is None else Step.WAIT
    if job.claim.worker_run != here.worker_run or here.called:
        return Step.FIND
    if here.claim_age_s is not None and here.claim_age_s < job.claim.start_within_s and not escalates:
        return Step.CREATE
    return Step.GIVE_BACK
