"""What to do next with an open job: one pure decision, which the dispatcher carries out."""

from enum import StrEnum

from domain.job import Job, Transport


class Step(StrEnum):
    """The dispatcher's next step."""

    WAIT = "wait"  # for a time, or until a record of ours has been read back
    CALL = "call"  # ask the open lines by synchronous calls
    CLAIM = "claim"  # send SubmitClaimed
    CREATE = "create"  # the claim is ours and holds: create the batch
    GIVE_BACK = "give_back"  # the claim is ours, and it ran out before it was called upon
    ESCALATE = "escalate"  # not submitted yet, and its deadline is near: its members go as calls
    FIND = "find"  # claimed, and perhaps called without an answer: look for it at the provider
    POLL = "poll"  # submitted: ask the provider how far it is


def next_step(job: Job, *, worker_run: str, claim_age_s: float | None, called: bool, now_ms: int) -> Step:
    """Decide by the job's facts and by what this process remembers of the job.

    claim_age_s: seconds of the running clock since this process sent a claim for the job, None if it did not. called: whether
    it has called upon that claim. It may do so only once, even if the partition moves away and comes back.
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
