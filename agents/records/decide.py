"""What a work record decides: it is handed to its decision in domain.reconciling, and the state learns the verdict.

Reconcile does this with each record; whoever reads the topic afterwards (`roundbatch explain ID`) comes to the same verdicts.
"""

from domain import reconciling
from domain.job import Claim, Submission
from domain.partition.corrections import Correction
from domain.partition.state import PartitionState
from domain.reconciling import Verdict
from streams.wire import work


def decide(state: PartitionState, record: work.WorkRecord, offset: int, append_ms: int, number: int = 0) -> Verdict:
    """The verdict of the record at this offset, given a state of the records before it. `number`: its place in a Several."""
    match record:
        case work.JobPlanned():
            return reconciling.planned(state, offset, append_ms, record.plan, number)
        case work.SubmitClaimed():
            claim = Claim(offset, record.worker_run, append_ms, record.start_within_s, record.key_hash, record.shadows)
            return reconciling.claimed(state, record.job_id, claim)
        case work.Submitted():
            submission = Submission(offset, record.provider_job_id, append_ms, record.adopted)
            return reconciling.submitted(state, record.job_id, submission)
        case work.Outcomes():
            return reconciling.outcomes(state, record.job_id, record.outcomes, offset=offset, append_ms=append_ms)
        case work.Audited():
            return reconciling.audited(state, offset, append_ms, record.completed_ms, record.replies)
        case work.JobEnded():
            return reconciling.job_ended(
                state,
                offset,
                append_ms,
                job_id=record.job_id,
                claim_offset=record.claim_offset,
                reason=record.reason,
                message=record.message,
                code=record.code,
            )
        case work.DeadlinePassed():
            return reconciling.deadline_passed(state, append_ms, record.overdue)
        case work.CancelRequested():
            return reconciling.cancelled(state, append_ms, record.batch, record.ids)
        case work.RequestsDone():
            return Verdict()
        case work.BundlesLimited() | work.JudgementAcknowledged():
            return Verdict(corrected=correction(record, append_ms))
        case work.Several():
            verdicts = [decide(state, part, offset, append_ms, place) for place, part in enumerate(record.records)]
            return reconciling.together(verdicts)


def correction(record: work.BundlesLimited | work.JudgementAcknowledged, append_ms: int) -> Correction:
    """The fact that the record tells."""
    most = record.most if isinstance(record, work.BundlesLimited) else None
    return Correction(record.provider, record.model, record.since_ms or append_ms, most, record.reason, append_ms)


def learn(state: PartitionState, verdict: Verdict) -> None:
    """Apply a verdict. Endings come first: one record may end a member and plan the others of its job again."""
    state.learn_endings(verdict.endings)
    for job in verdict.jobs:
        state.learn_planned(job)
    for claim in verdict.claims:
        state.learn_claim(*claim)
    for submission in verdict.submissions:
        state.learn_submission(*submission)
    if verdict.corrected is not None:
        state.corrections.learn(verdict.corrected)
    if verdict.audits is not None:
        state.audits.learn(verdict.audits)
