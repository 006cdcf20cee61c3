"""Two real workers at one limited account: each has its share, and together they use it without a refusal."""

import datetime as dt

from tests.harness.deployment import Deployment

MINUTE_S = 10.0
REQUESTS = 20
CALLS = 36  # 16 more than the full bucket: 8 s
ENV = {
    "ROUNDBATCH_LLM_BATCHING_STRATEGY": "per_request",
    "ROUNDBATCH_HONOR_REQUEST_MODE": "false",
    "ROUNDBATCH_TESTING__LIMITS_MINUTE_S": f"{MINUTE_S:g}",
    "ROUNDBATCH_ANTHROPIC__CALL_TIMEOUT_S": "20",
}


def test_two_workers_share_an_account_by_their_partitions(deployed: Deployment) -> None:
    deployed.env |= ENV
    deployed.simulator.limits(requests=REQUESTS, minute_s=MINUTE_S)
    first, second = deployed.worker("a"), deployed.worker("b")
    first.wait_ready()  # the rebalance gave one of its partitions away
    rounds = [[deployed.body() for _ in range(CALLS // 2)] for _ in range(2)]
    for partition, bodies in enumerate(rounds):
        deployed.send_round(bodies, partition=partition)
    events = deployed.wait_answered()
    for worker in (first, second):
        assert worker.metric("roundbatch_account_share", provider="anthropic") == 0.5
    calls = deployed.simulator.calls()
    assert [call["status"] for call in calls] == [200] * CALLS
    ideal_s = (CALLS / REQUESTS - 1) * MINUTE_S
    assert ideal_s <= calls[-1]["at"] - calls[0]["at"] + 0.1
    # With a quarter each they would take three times as long; tests/contract/test_limits_used.py holds what is used of a share
    # against the pace of the machine. Each by itself: after a rebalance one of them may begin seconds later than the other.
    for bodies in rounds:
        ended = [dt.datetime.fromisoformat(events[body["correlation_id"]]["data"]["completed_at"]) for body in bodies]
        assert (max(ended) - min(ended)).total_seconds() < 2.0 * ideal_s
    deployed.check_promises()
