"""kill -9 at named points of the code, one row of the design's table of crash points after the other.

Each case kills one worker in the work on a round at one provider, and the next one, which goes on with that round, in the work
on a round at the other provider.
"""

import signal
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.chaos.checks import SIZE, a_round, batches, duplicates, endings, wait_requests_deleted
from tests.harness.deployment import Deployment
from tests.harness.refusals import NAMES_A_LINE

PROVIDERS = ("anthropic", "openai")


@dataclass(frozen=True)
class Row:
    """A point to be killed at, and what is then to be found."""

    words: str
    point: str
    env: dict[str, str] = field(default_factory=dict)
    refused: bool = False  # the batch is refused by content
    quiet: bool = False  # the round does not come to its end, its window closes by quiet time
    sent_again: bool = False  # events had been acknowledged before the kill, their offset had not

    def __str__(self) -> str:
        return f"{self.words}, {self.point}{', quiet' if self.quiet else ''}"


NEVER_COMMITTED = {"ROUNDBATCH_TESTING__COMMIT_INTERVAL_S": "60"}
ROWS = (
    Row("before a request's puts are acknowledged", "between_request_puts"),
    Row("before a request's puts are acknowledged", "after_request_puts"),
    Row("between puts and JobPlanned", "before_job_planned_sent"),
    Row("between puts and JobPlanned", "before_job_planned_sent", quiet=True),
    Row("between JobPlanned sent and its reading", "before_job_planned_put"),
    Row("between SubmitClaimed and the provider's answer", "before_submit_claimed_put"),
    Row("between SubmitClaimed and the provider's answer", "before_create"),
    Row("after create, before Submitted is acknowledged", "after_create"),
    Row("after create, before Submitted is acknowledged", "before_submitted_put"),
    Row("while polling or fetching", "after_poll"),
    Row("while polling or fetching", "during_fetch:5"),
    Row("while polling or fetching", "after_outcomes_sent"),
    Row("between Outcomes read and its offset committed", "after_outcomes_read"),
    Row("between Outcomes read and its offset committed", "before_requests_done_put", NEVER_COMMITTED, sent_again=True),
    Row("between Outcomes committed and RequestsDone", "after_job_closed", {"ROUNDBATCH_TESTING__DONE_FLUSH_S": "60"}),
    # A batch refused by content is halved: the second half must not be taken for the whole when the record is read again.
    Row("between the puts of two plans", "after_first_plan_put:2", refused=True),
)


@pytest.mark.parametrize(("number", "row"), list(enumerate(ROWS)), ids=[str(row) for row in ROWS])
def test_killed(deployed: Deployment, number: int, row: Row) -> None:
    """Two kills: the first worker's state directory is kept for the second one, the second one's is lost."""
    providers = PROVIDERS if number % 2 == 0 else PROVIDERS[::-1]
    rounds = {provider: a_round(deployed, provider, f"b-{provider}") for provider in providers}
    for partition, provider in enumerate(providers):
        if row.refused:
            deployed.simulator.faults(**NAMES_A_LINE, provider=provider, next=1)
        killed = deployed.worker("kept", {"ROUNDBATCH_CRASH_AT": f"{row.point}@{partition}", **row.env}, ready=partition == 0)
        deployed.send_round(rounds[provider], partition=partition, parts=2 if row.quiet else 1)
        assert killed.wait_exit() == -signal.SIGKILL
        deployed.forget_ended()
    deployed.worker("lost", ready=False)

    events = deployed.wait_answered()

    deployed.check_promises()
    for provider, bodies in rounds.items():
        assert endings(events, bodies) == Counter({"right": SIZE}), provider
    assert batches(deployed) == Counter(dict.fromkeys(providers, 2 if row.refused else 1))
    assert not row.sent_again or duplicates(deployed) >= SIZE
    wait_requests_deleted(deployed)
