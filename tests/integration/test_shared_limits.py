"""Two real workers at one limited account: each has its share, and together they use it without a refusal."""

from tests.harness.deployment import Deployment

MINUTE_S = 10.0
REQUESTS = 20
CALLS = 36  # 16 more than the full bucket: 8 s
ENV = {
    "ROUNDBATCH_LLM_BATCHING_STRATEGY": "per_request",
    "ROUNDBATCH_HONOR_REQUEST_MODE": "false",
    "ROUNDBATCH_ANTHROPIC__LIMITS_MINUTE_S": f"{MINUTE_S:g}",
    "ROUNDBATCH_ANTHROPIC__CALL_TIMEOUT_S": "20",
}


def test_two_workers_share_an_account_by_their_partitions(deployed: Deployment) -> None:
    deployed.env |= ENV
    deployed.simulator.limits(requests=REQUESTS, minute_s=MINUTE_S)
    first, second = deployed.worker("a"), deployed.worker("b")
    first.wait_ready()  # the rebalance gave one of its partitions away
    for partition in (0, 1):
        deployed.send_round([deployed.body() for _ in range(CALLS // 2)], partition=partition)
    deployed.wait_answered(timeout_s=90)
    for worker in (first, second):
        assert worker.metric("roundbatch_account_share", provider="anthropic") == 0.5
    calls = deployed.simulator.calls()
    assert [call["status"] for call in calls] == [200] * CALLS
    ideal_s = (CALLS / REQUESTS - 1) * MINUTE_S
    between_s = calls[-1]["at"] - calls[0]["at"]
    assert ideal_s <= between_s + 0.1
    assert ideal_s / between_s >= 0.85  # the workers begin up to half a second apart
    deployed.check_promises()
