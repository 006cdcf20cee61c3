"""kill -9 at named points of the code, one row of the design's table of crash points after the other.

Each case kills a worker in the work on a round, and lets another one go on with that round and one at the other provider.
"""

import signal
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.chaos.checks import SIZE, a_round, batches, duplicates, endings, wait_requests_deleted
from tests.chaos.warm import WarmDeployment

PROVIDERS = ("anthropic", "openai")
STATES = ("kept", "wiped")


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


NEVER_COMMITTED = {"ROUNDBATCH_COMMIT_INTERVAL_S": "60"}
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
    Row("between Outcomes committed and RequestsDone", "after_job_ended_read", {"ROUNDBATCH_DONE_FLUSH_S": "60"}),
    # A batch refused by content is halved: the second half must not be taken for the whole when the record is read again.
    Row("between the puts of two plans", "after_first_plan_put:2", refused=True),
)


# Over the two states each row is killed at each provider; the rows of two points have all four cases.
CASES = [(row, state, PROVIDERS[(number + place) % 2]) for number, row in enumerate(ROWS) for place, state in enumerate(STATES)]


@pytest.mark.parametrize(("row", "state", "provider"), CASES, ids=[f"{row}, state {state}, {at}" for row, state, at in CASES])
def test_killed(deployed: WarmDeployment, row: Row, state: str, provider: str) -> None:
    """The other provider's round comes after the kill: whoever goes on is no less able than a worker that was never killed."""
    (other,) = set(PROVIDERS) - {provider}
    killed_in, after = a_round(deployed, provider, "killed"), a_round(deployed, other, "after")
    if row.refused:
        deployed.simulator.faults(fault="status", status=400, endpoint="batches.create", next=1)
    killed = deployed.warm("a", {"ROUNDBATCH_CRASH_AT": row.point, **row.env})
    deployed.send_round(killed_in, partition=0, parts=2 if row.quiet else 1)
    assert killed.wait_exit() == -signal.SIGKILL
    deployed.send_round(after, partition=1)
    deployed.warm("a" if state == "kept" else "b", ready=False)

    events = deployed.wait_answered()

    deployed.check_promises()
    assert endings(events, killed_in) == Counter({"right": SIZE})
    assert endings(events, after) == Counter({"right": SIZE})
    assert batches(deployed) == Counter({provider: 2 if row.refused else 1, other: 1})
    assert not row.sent_again or duplicates(deployed) >= SIZE
    wait_requests_deleted(deployed)
