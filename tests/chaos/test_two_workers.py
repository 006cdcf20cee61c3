"""Two workers on the same partitions: one put to sleep and woken, one that leaves, one that loses its disk."""

from collections import Counter
from collections.abc import Callable

import pytest

from domain.reconciling import JobEnd
from streams.wire import work
from tests.chaos.checks import SIZE, Bodies, a_round, batches, caught_up, endings, told, wait_requests_deleted, work_records
from tests.harness.deployment import Deployment
from tests.harness.worker import WorkerProcess

# Two workers that run need longer than one of them: a rebalance takes Faust up to 3 s on a busy machine.
LONG_SESSION = {"ROUNDBATCH_BROKER_SESSION_TIMEOUT_S": "6"}
ONE_EACH = Counter({"anthropic": 1, "openai": 1})


def test_the_same_members_are_planned_by_two_workers(deployed: Deployment) -> None:
    """The first worker sleeps with its plan decided, the second one plans too, then the first one's plan arrives."""
    deployed.simulator.hold()
    first = deployed.worker("a", {"ROUNDBATCH_STOP_AT": "before_job_planned_sent@0"})
    rounds = [a_round(deployed, provider, provider) for provider in ("anthropic", "openai")]
    deployed.send_round(rounds[0], partition=0)
    first.wait_stopped()
    deployed.send_round(rounds[1], partition=1)
    deployed.worker("b")
    deployed.until(lambda: batches(deployed) == ONE_EACH, "the second worker has made both batches")
    first.wake()

    def planned_twice() -> bool:
        plans = [record.plan for record in work_records(deployed, work.JobPlanned) if record.plan.provider == "anthropic"]
        return len(plans) == 2 and plans[0].members == plans[1].members

    deployed.until(planned_twice, "the plan of the worker that slept has arrived")
    deployed.simulator.release()
    events = deployed.wait_answered()

    deployed.check_promises()
    assert batches(deployed) == ONE_EACH
    assert all(endings(events, bodies) == Counter({"right": SIZE}) for bodies in rounds)
    wait_requests_deleted(deployed)
    assert [one.stop() for one in deployed.workers] == [0, 0]


def claimed_twice(deployed: Deployment) -> bool:
    claims = Counter(record.job_id for record in work_records(deployed, work.SubmitClaimed))
    return max(claims.values()) == 2


def started_late(deployed: Deployment) -> bool:
    return any(record.reason is JobEnd.STARTED_LATE for record in work_records(deployed, work.JobEnded))


def timed_out(deployed: Deployment) -> bool:
    """The time limit of the create call has run out in the sleep: it ends before anything is written to the socket."""
    return "job_fate_unknown" in deployed.workers[0].log_path.read_text()


@pytest.mark.parametrize(
    ("point", "provider", "came_second"),
    [
        ("after_claim_sent", "anthropic", claimed_twice),
        ("after_claim_sent", "openai", claimed_twice),
        ("before_claim_check", "anthropic", started_late),
        ("before_claim_check", "openai", started_late),
        ("before_create", "anthropic", timed_out),
        ("before_create", "openai", timed_out),
    ],
)
def test_stopped_for_longer_than_its_session_then_woken(
    deployed: Deployment, point: str, provider: str, came_second: Callable[[Deployment], bool]
) -> None:
    """Its claim has run out, or comes second: no second batch."""
    deployed.simulator.hold()
    sleeper = deployed.worker("a", {"ROUNDBATCH_STOP_AT": point})
    bodies = a_round(deployed, provider, "slept")
    deployed.send_round(bodies, partition=0)
    sleeper.wait_stopped()
    assert batches(deployed) == Counter()
    deployed.worker("b")
    deployed.until(lambda: batches(deployed) == Counter({provider: 1}), "the other worker has made the batch")
    sleeper.wake()
    deployed.until(lambda: came_second(deployed), "the sleeper has gone on")
    deployed.simulator.release()
    events = deployed.wait_answered()

    deployed.check_promises()
    assert batches(deployed) == Counter({provider: 1})
    assert endings(events, bodies) == Counter({"right": SIZE})
    wait_requests_deleted(deployed)


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_stopped_after_its_create_call_then_woken(deployed: Deployment, provider: str) -> None:
    """The other worker cannot know whether the batch was made: it submits none, and reads the sleeper's."""
    deployed.simulator.hold()
    sleeper = deployed.worker("a", {"ROUNDBATCH_STOP_AT": "after_create"})
    bodies = a_round(deployed, provider, "slept")
    deployed.send_round(bodies, partition=0)
    sleeper.wait_stopped()
    other = deployed.worker("b")
    deployed.until(lambda: caught_up(other) == 2, "the other worker holds both partitions")
    sleeper.wake()
    deployed.until(lambda: work_records(deployed, work.Submitted) != [], "the sleeper has gone on")
    deployed.simulator.release()
    events = deployed.wait_answered()

    deployed.check_promises()
    assert batches(deployed) == Counter({provider: 1})
    assert endings(events, bodies) == Counter({"right": SIZE})
    wait_requests_deleted(deployed)


def a_batch_for_each_partition(deployed: Deployment, batch: str, *, submitted: int) -> list[Bodies]:
    """Rounds of two providers, one for each partition; returns them once so many batches in all are submitted."""
    rounds = [a_round(deployed, provider, f"{batch}-{provider}") for provider in ("anthropic", "openai")]
    for partition, bodies in enumerate(rounds):
        deployed.send_round(bodies, partition=partition)
    deployed.until(lambda: len(work_records(deployed, work.Submitted)) == submitted, f"{submitted} batches are submitted")
    return rounds


def joined_while_batches_are_open(deployed: Deployment) -> tuple[WorkerProcess, WorkerProcess, list[Bodies]]:
    """A worker with an open batch in each partition, and another one to which one of the partitions has moved."""
    deployed.env |= LONG_SESSION
    deployed.simulator.hold()
    first = deployed.worker("a")
    rounds = a_batch_for_each_partition(deployed, "first", submitted=2)
    second = deployed.worker("b")
    deployed.until(lambda: caught_up(first) == caught_up(second) == 1, "each worker holds a partition")
    return first, second, rounds


def test_partition_moved_then_state_directory_lost(deployed: Deployment) -> None:
    """Open batches are polled by whoever holds the partition, restored from the changelogs; nothing is submitted again."""
    first, second, rounds = joined_while_batches_are_open(deployed)
    first.kill()  # the other one, too
    deployed.until(lambda: caught_up(second) == 2, "the second worker holds both partitions")
    second.kill()
    deployed.worker("c")  # with nothing on its disk
    deployed.simulator.release()
    events = deployed.wait_answered()

    deployed.check_promises()
    assert batches(deployed) == ONE_EACH
    assert all(endings(events, bodies) == Counter({"right": SIZE}) for bodies in rounds)
    assert len(work_records(deployed, work.SubmitClaimed)) == 2
    wait_requests_deleted(deployed)


def test_a_partition_that_stays_keeps_its_view(deployed: Deployment) -> None:
    """Another worker joins, and leaves: only what moves is built anew."""
    first, second, rounds = joined_while_batches_are_open(deployed)
    assert views(first) == {"view_built": 2, "view_kept": 1}
    more = a_batch_for_each_partition(deployed, "more", submitted=4)
    assert second.stop() == 0
    deployed.until(lambda: caught_up(first) == 2, "the first worker holds both partitions again")
    assert views(first) == {"view_built": 3, "view_kept": 2}
    deployed.simulator.release()
    events = deployed.wait_answered()

    deployed.check_promises()
    assert batches(deployed) == Counter({"anthropic": 2, "openai": 2})
    assert all(endings(events, bodies) == Counter({"right": SIZE}) for bodies in rounds + more)
    assert len(work_records(deployed, work.SubmitClaimed)) == 4
    wait_requests_deleted(deployed)


def views(worker: WorkerProcess) -> dict[str, int]:
    return {event: told(worker, event) for event in ("view_built", "view_kept")}
