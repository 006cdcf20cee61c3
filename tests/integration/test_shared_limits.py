"""Two real workers at one limited account: each has its share, and together they use it without a refusal."""

import datetime as dt

from tests.harness.deployment import Deployment
from tests.harness.worker import WorkerProcess

MINUTE_S = 10.0
REQUESTS = 20
CALLS = 36  # 16 more than the full bucket: 8 s
ENV = {
    "ROUNDBATCH_LLM_BATCHING_STRATEGY": "per_request",
    "ROUNDBATCH_HONOR_REQUEST_MODE": "false",
    "ROUNDBATCH_TESTING__LIMITS_MINUTE_S": f"{MINUTE_S:g}",
    "ROUNDBATCH_ANTHROPIC__CALL_TIMEOUT_S": "20",
}


# A round in which other work delays the workers is repeated: a share that is not used shows in each of them.
ROUNDS = 4
USED = 0.85


def test_two_workers_share_an_account_by_their_partitions(deployed: Deployment) -> None:
    deployed.env |= ENV
    deployed.simulator.limits(requests=REQUESTS, minute_s=MINUTE_S)
    first, second = deployed.worker("a"), deployed.worker("b")
    first.wait_ready()  # the rebalance gave one of its partitions away
    used = [share_used(deployed, asked_before=0)]
    while max(used) < USED and len(used) < ROUNDS:
        deployed.until(lambda: all(is_rested(worker) for worker in (first, second)), "the limits' buckets are full again")
        used.append(share_used(deployed, asked_before=len(used) * CALLS))
    for worker in (first, second):
        assert worker.metric("roundbatch_account_share", provider="anthropic") == 0.5
    assert max(used) >= USED, f"of its share each worker used {used}"
    deployed.check_promises()


def is_rested(worker: WorkerProcess) -> bool:
    """Whether a worker may use all of its share of the limit at once."""
    left, most = (worker.metric(f"roundbatch_limit_{name}", kind="requests") for name in ("remaining", "per_minute"))
    return left >= most > 0


def share_used(deployed: Deployment, asked_before: int) -> float:
    """How much of its share the worker used that used less of it, in one round for each; by the simulator none is refused."""
    sent = [[deployed.body() for _ in range(CALLS // 2)] for _ in range(2)]
    for partition, bodies in enumerate(sent):
        deployed.send_round(bodies, partition=partition)
    events = deployed.wait_answered()
    calls = deployed.simulator.calls()[asked_before:]
    assert [call["status"] for call in calls] == [200] * CALLS
    ideal_s = (CALLS / REQUESTS - 1) * MINUTE_S
    assert ideal_s <= calls[-1]["at"] - calls[0]["at"] + 0.1
    # Each by itself: after a rebalance on a busy machine one of them may begin seconds later than the other.
    took_s = []
    for bodies in sent:
        ended = [dt.datetime.fromisoformat(events[body["correlation_id"]]["data"]["completed_at"]) for body in bodies]
        took_s.append((max(ended) - min(ended)).total_seconds())
    return ideal_s / max(took_s)
