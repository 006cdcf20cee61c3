"""What is to be done next with an open job: one pure decision for the dispatcher."""

from enum import StrEnum

from domain.job import Job, Transport


class Step(StrEnum):
    """The dispatcher's next step."""

    WAIT = "wait"  # for a time or for a record to be read back
    CALL = "call"  # ask the open lines by synchronous calls
    CLAIM = "claim"  # send SubmitClaimed
    CREATE = "create"  # the claim is ours and holds: create the batch
    GIVE_BACK = "give_back"  # the claim is ours, ran out, and was not called upon
    ESCALATE = "escalate"  # not submitted, and its deadline is near: its members go as calls
    FIND = "find"  # claimed, perhaps called, not answered: look for it at the provider
    POLL = "poll"  # submitted: look at it


def next_step(job: Job, *, worker_run: str, claim_age_s: float | None, called: bool, now_ms: int) -> Step:
    """Decide by the job's facts and by what this process remembers of it.

    claim_age_s: seconds on this process's running clock since it sent its claim, None if it never did. called: whether it
    has called upon that claim, which it may do once, even if the partition goes and comes back.
    """
    if job.submission is not None:
        return Step.POLL
    escalate_at_ms = job.plan.escalate_at_ms
    escalates = escalate_at_ms is not None and now_ms >= escalate_at_ms
    if job.claim is None:
        if escalates and claim_age_s is None:
            return Step.ESCALATE
        if now_ms < job.plan.not_before_ms:
            return Step.WAIT
        if job.plan.transport is Transport.CALL:
            return Step.CALL
        return Step.CLAIM if claim_age_s is None else Step.WAIT
    if job.claim.worker_run != worker_run or called:
        return Step.FIND
    if claim_age_s is not None and claim_age_s < job.claim.start_within_s and not escalates:
        return Step.CREATE
    return Step.GIVE_BACK
