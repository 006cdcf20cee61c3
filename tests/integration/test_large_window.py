"""A nightly window that is larger than one job, beside small rounds: streamed both ways, in little memory.

`python -m bench.large_window` is the same with 20,000 comparisons and times (docs/performance.md).
"""

import pytest

from tests.harness.deployment import Deployment
from tests.harness.memory import resident_bytes

COMPARISONS = 2_400
RECORD = 100
PROMPT_BYTES = 4_096
MOST_ITEMS = 1_000
# Of 10 MB of prompts. Held whole, as texts, encoded and as a body, they were 60 MB and more, and the records behind shuffled
# rows 200 MB; RocksDB's and the producer's buffers take about 50.
MOST_ABOVE_IDLE = 100 * 1024 * 1024


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_large_window_is_streamed_beside_small_rounds(deployed: Deployment, provider: str) -> None:
    block = f"ROUNDBATCH_{provider.upper()}__"
    deployed.env |= {
        "ROUNDBATCH_LLM_BATCHING_STRATEGY": "nightly",
        f"{block}MAX_JOB_ITEMS": str(MOST_ITEMS),
        f"{block}NIGHTLY_CRON": "*/15 * * * * *",
        "ROUNDBATCH_TESTING__START_WITHIN_S": "40",
        "ROUNDBATCH_TESTING__CREATE_TIMEOUT_S": "30",
    }
    worker = deployed.worker()
    other = "openai" if provider == "anthropic" else "anthropic"
    _small_round(deployed, other)
    deployed.wait_answered()
    idle = resident_bytes(worker.process.pid)
    for start in range(0, COMPARISONS, RECORD):
        bodies = [deployed.body(provider, batch=f"n-{start}", prompt_bytes=PROMPT_BYTES) for _ in range(RECORD)]
        deployed.send_round(bodies, partition=0)
        _small_round(deployed, other)
    events = deployed.wait_answered()

    deployed.check_promises()
    assert all(event["data"]["winner"] for event in events.values())
    sizes = [batch["items"] for batch in deployed.simulator.batches()]
    assert sum(sizes) == COMPARISONS
    assert max(sizes) <= MOST_ITEMS
    assert len(sizes) >= 3
    assert set(deployed.events_per_id().values()) == {1}
    assert resident_bytes(worker.process.pid, "VmHWM") - idle <= MOST_ABOVE_IDLE
    assert {one.name for one in (deployed.folder / "state-a").iterdir()} <= {"faust", "last_used", "lock"}  # no spool left


def _small_round(deployed: Deployment, provider: str) -> None:
    bodies = [deployed.body(provider, batch=f"small-{len(deployed.sent)}", mode="per_request") for _ in range(4)]
    deployed.send_round(bodies, partition=1)
