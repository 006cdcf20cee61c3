"""Workers with names in the group (KAFKA_GROUP_INSTANCE_ID): killed and started again, and two of one name."""

from collections import Counter

import pytest

from tests.chaos.checks import SIZE, a_round, batches, caught_up, endings, told, wait_requests_deleted
from tests.harness.deployment import Deployment

# Longer than any test: partitions that come back have not waited for the session.
ENDLESS = {"ROUNDBATCH_BROKER_SESSION_TIMEOUT_S": "60"}


def named(name: str, **more: str) -> dict[str, str]:
    return {"KAFKA_GROUP_INSTANCE_ID": name, **more}


def test_a_worker_that_is_killed_and_started_again_keeps_its_partitions(deployed: Deployment) -> None:
    """At once, and the other worker notices nothing. A stop by SIGTERM does not give them away either."""
    deployed.env |= ENDLESS
    first, second = deployed.worker("a", named("a")), deployed.worker("b", named("b"))
    deployed.until(lambda: [caught_up(one) for one in (first, second)] == [1, 1], "each worker has caught up with a partition")
    built, kept = told(second, "view_built"), told(second, "view_kept")
    first.kill()
    again = deployed.worker("a", named("a"))
    assert caught_up(again) == 1
    assert again.stop() == 0
    again = deployed.worker("a", named("a"))
    rounds = [a_round(deployed, "openai", f"after-{partition}") for partition in range(2)]
    for partition, bodies in enumerate(rounds):
        deployed.send_round(bodies, partition=partition)
    events = deployed.wait_answered()

    deployed.check_promises()
    assert all(endings(events, bodies) == Counter({"right": SIZE}) for bodies in rounds)
    assert (told(second, "view_built"), told(second, "view_kept")) == (built, kept), "the other worker noticed something"
    assert caught_up(again) == caught_up(second) == 1


@pytest.mark.parametrize("point", ["after_claim_sent", "before_claim_check", "before_create", "after_create"])
def test_a_sleeper_is_woken_when_another_process_has_its_name(deployed: Deployment, point: str) -> None:
    """The other gets the partitions in the same generation. The sleeper ends, and does not come back while that one runs."""
    deployed.simulator.hold()
    sleeper = deployed.worker("a", named("one", ROUNDBATCH_STOP_AT=point))
    bodies = a_round(deployed, "openai", "slept")
    deployed.send_round(bodies, partition=0)
    sleeper.wait_stopped()
    other = deployed.worker("b", named("one"))
    assert told(other, "place_taken_over") == 1
    deployed.until(lambda: batches(deployed) == Counter({"openai": 1}), "there is a batch")
    sleeper.wake()
    assert sleeper.wait_exit() == 75
    assert "another worker has taken this one's place" in sleeper.tail()
    deployed.simulator.release()
    events = deployed.wait_answered()

    again = deployed.worker("a", named("one"), ready=False)
    assert again.wait_exit() == 75
    assert "another worker holds the place of this one" in again.tail(1)
    assert (told(other, "view_built"), told(other, "view_kept")) == (2, 0), "the other worker noticed something"
    deployed.check_promises()
    assert batches(deployed) == Counter({"openai": 1})
    assert endings(events, bodies) == Counter({"right": SIZE})
    wait_requests_deleted(deployed)
    other.kill()  # its session runs out, and the name is free
    assert caught_up(deployed.worker("a", named("one"))) == 2


def test_a_sleeper_is_woken_when_its_session_has_run_out(deployed: Deployment) -> None:
    """Another worker, of another name, has its partition. The sleeper joins again, and both go on."""
    deployed.simulator.hold()
    sleeper = deployed.worker("a", named("a", ROUNDBATCH_STOP_AT="before_claim_check"))
    bodies = a_round(deployed, "openai", "slept")
    deployed.send_round(bodies, partition=0)
    sleeper.wait_stopped()
    other = deployed.worker("b", named("b"))
    deployed.until(lambda: batches(deployed) == Counter({"openai": 1}), "the other worker has made the batch")
    sleeper.wake()
    deployed.until(lambda: [caught_up(one) for one in (sleeper, other)] == [1, 1], "each worker has a partition")
    deployed.simulator.release()
    events = deployed.wait_answered()

    deployed.check_promises()
    assert batches(deployed) == Counter({"openai": 1})
    assert endings(events, bodies) == Counter({"right": SIZE})
    wait_requests_deleted(deployed)
