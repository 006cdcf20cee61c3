"""The open jobs as /jobs shows them, and the provider's word beside them."""

from concurrent.futures import Future

import pytest
from msgspec.structs import replace

from agents.jobs.attempt import Attempt, LocalClaim
from agents.status.job_listing import job_state, listing
from cli.jobs import at_provider, said
from domain.job import Claim, Job, Submission, Transport
from domain.outcome import Ending
from domain.partition.state import PartitionState
from domain.reply import ErrorCode
from providers.account import Account
from providers.limits.account_limits import only_concurrent
from providers.limits.limiter import Limiter
from providers.protocol import JobNotVisible, JobPhase, JobStatus
from streams.wire.status.open_jobs import Partition
from tables.view import PartitionView, ReadProgress
from tests.model.provider import ModelProvider
from tests.model.values import attempt, members, plan

JOB = Job("rb-0-1-x-0", 1, 1_000, plan(members(3)))
CLAIM = Claim(2, "me", 2_000, 30.0, "key")
SUBMISSION = Submission(3, "batch-0", 3_000)


@pytest.mark.parametrize(
    ("job", "attempt", "state"),
    [
        (JOB, None, "planned"),
        (replace(JOB, claim=CLAIM), Attempt(0, JOB.job_id), "claimed"),
        (replace(JOB, claim=replace(CLAIM, worker_run="other")), None, "unknown"),
        (replace(JOB, claim=CLAIM), attempt(0, JOB.job_id, claim=LocalClaim(called=True)), "unknown"),
        (replace(JOB, claim=CLAIM, submission=SUBMISSION), None, "submitted"),
        (replace(JOB, claim=CLAIM), attempt(0, JOB.job_id, held=True), "held"),
        (replace(JOB, plan=plan(members(3), transport=Transport.CALL)), attempt(0, JOB.job_id, task=Future()), "calling"),
    ],
)
def test_the_state_of_a_job(job: Job, attempt: Attempt | None, state: str) -> None:
    assert job_state(job, attempt, "me") == state


def test_a_listing_is_json_and_counts_open_members() -> None:
    state = PartitionState(0)
    job = state.job_of(plan(members(3)), 1, 1_000, 0)
    state.learn_planned(replace(job, claim=CLAIM, submission=SUBMISSION))
    view = PartitionView(0, state, ReadProgress(0, 0, 0), ReadProgress(0, 0, 0), caught_up=True)
    state.learn_endings([Ending(members(3)[0], "answered")])

    shown = listing([view], {}, "me", 61_000)

    assert shown.partitions == {0: Partition(caught_up=True, pending=0)}
    (one,) = shown.jobs
    assert (one.job_id, one.state, one.members, one.open_members) == (job.job_id, "submitted", 3, 2)
    assert (one.age_s, one.attempt, one.provider_job_id, one.not_before_ms) == (60.0, 1, "batch-0", None)


class Looked(ModelProvider):
    """A provider that says this when it is looked at."""

    def __init__(self, status: JobStatus | None) -> None:
        super().__init__()
        self._status = status

    async def look(self, provider_job_id: str) -> JobStatus:
        if self._status is None:
            raise JobNotVisible(f"{provider_job_id} is not there")
        return self._status


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (JobStatus(JobPhase.RUNNING, "in_progress", answered=3), "in_progress, 3 answered"),
        (JobStatus(JobPhase.ENDED), "ended"),
        (JobStatus(JobPhase.FAILED, "failed", failure=ErrorCode.QUOTA_EXCEEDED.value), "QUOTA_EXCEEDED"),
        (None, "JobNotVisible: batch-0 is not there"),
    ],
)
async def test_the_providers_word(status: JobStatus | None, word: str) -> None:
    accounts = {"openai": Account("openai", Looked(status), Limiter(only_concurrent(1)))}
    assert said(await at_provider("openai", "batch-0", accounts)) == word


async def test_without_a_key_nobody_is_asked() -> None:
    assert said(await at_provider("openai", "batch-0", {})) == "no key: set OPENAI_API_KEY"
    assert said(None) == "–"
