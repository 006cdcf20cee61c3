"""kill -9 in the middle of bundles, single calls, a nightly window, and bundles as lines of a batch job."""

import signal
from collections import Counter
from dataclasses import dataclass

import pytest

from tests.chaos.checks import SIZE, a_round, batches, endings, wait_requests_deleted
from tests.harness.deployment import Deployment


@dataclass(frozen=True)
class Way:
    """A way to send, and the points at which a worker is killed in the work on each provider's round."""

    name: str
    strategy: str
    points: tuple[str, str]
    settings: tuple[tuple[str, str], ...] = ()  # of each provider
    batches: int = 0  # of each provider
    most_calls_repeated: int = 0  # comparisons whose call a kill lets be asked again, at most
    providers: tuple[str, str] = ("anthropic", "openai")  # of the first and of the second round

    def __str__(self) -> str:
        return self.name


WAYS = (
    Way("bundles", "serial_bundle", ("after_call", "after_outcomes_sent"), (("BUNDLE_SIZE", "4"),), most_calls_repeated=SIZE),
    Way("single calls", "per_request", ("after_call:5", "after_outcomes_sent"), most_calls_repeated=SIZE),
    # Full at a round's size: the tick of its cron expression is months away.
    Way(
        "nightly",
        "nightly",
        ("before_job_planned_sent", "after_create"),
        (("MAX_JOB_ITEMS", str(SIZE)), ("NIGHTLY_CRON", "0 3 29 2 *")),
        batches=1,
    ),
    Way("lines of four", "per_round", ("after_create", "during_fetch:2"), (("BATCH_BUNDLE_SIZE", "4"),), batches=1),
    Way(
        "lines of four at Google",
        "per_round",
        ("after_create", "during_fetch:2"),
        (("BATCH_BUNDLE_SIZE", "4"),),
        batches=1,
        providers=("google", "google"),
    ),
)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_killed_in_the_middle(deployed: Deployment, way: Way) -> None:
    """One kill at each provider: the first worker's state directory is kept for the second one, the second one's is lost."""
    deployed.env["ROUNDBATCH_LLM_BATCHING_STRATEGY"] = way.strategy
    deployed.env["GOOGLE_API_KEY"] = "key-g"
    deployed.env |= {f"ROUNDBATCH_{one.upper()}__{name}": value for one in way.providers for name, value in way.settings}
    rounds = [a_round(deployed, provider, f"b-{place}-{provider}") for place, provider in enumerate(way.providers)]
    for partition, (bodies, point) in enumerate(zip(rounds, way.points, strict=True)):
        killed = deployed.worker("kept", {"ROUNDBATCH_CRASH_AT": f"{point}@{partition}"}, ready=partition == 0)
        deployed.send_round(bodies, partition=partition)
        assert killed.wait_exit() == -signal.SIGKILL
        deployed.forget_ended()
    deployed.worker("lost", ready=False)

    events = deployed.wait_answered()

    deployed.check_promises()
    for bodies in rounds:
        assert endings(events, bodies) == Counter({"right": SIZE})
    assert batches(deployed) == Counter(way.providers * way.batches)
    calls = 0 if way.batches else 2 * SIZE
    assert calls <= deployed.simulator.ledger()["call_items_paid"] <= calls + 2 * way.most_calls_repeated
    wait_requests_deleted(deployed)
