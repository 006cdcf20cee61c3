"""What must hold after workers were killed."""

from collections import Counter
from typing import Any, TypeVar

from streams.wire import work
from tests.harness.deployment import Deployment
from tests.harness.worker import WorkerProcess

SIZE = 12
Bodies = list[dict[str, Any]]
Events = dict[str, dict[str, Any]]


def a_round(deployed: Deployment, provider: str, batch: str, *, size: int = SIZE, mode: str | None = None) -> Bodies:
    """Bodies of one round; the better essay is A and B in turn, so that an answer given to the wrong member shows."""
    return [
        deployed.body(provider, batch=batch, mode=mode, quality=(0.9, 0.1) if place % 2 == 0 else (0.1, 0.9))
        for place in range(size)
    ]


def endings(events: Events, bodies: Bodies) -> Counter[str]:
    """How the bodies of `a_round` ended: "right" or "wrong" answers, or the error's code."""
    found: Counter[str] = Counter()
    for place, body in enumerate(bodies):
        data = events[body["correlation_id"]]["data"]
        right = "Essay A" if place % 2 == 0 else "Essay B"
        found[
            data["error_detail"]["error_code"] if data["error_detail"] else "right" if data["winner"] == right else "wrong"
        ] += 1
    return found


def batches(deployed: Deployment) -> Counter[str]:
    """How many batches each provider was given."""
    return Counter(batch["provider"] for batch in deployed.simulator.batches())


R = TypeVar("R", bound=work.WorkRecord)


def work_records(deployed: Deployment, kind: type[R]) -> list[R]:
    """The records of one kind that are on the work topic now."""
    found = [work.decode(record.value) for record in deployed.read(deployed.work_topic)]
    return [part for record in found for part in work.parts(record) if isinstance(part, kind)]


def duplicates(deployed: Deployment) -> int:
    """Events that were sent again, byte-identical as check_promises has seen."""
    return sum(count - 1 for count in deployed.events_per_id().values())


def wait_requests_deleted(deployed: Deployment) -> None:
    """Wait until every entry of the table `requests` has been deleted: a prompt that stays, stays for ever."""

    def none_left() -> bool:
        last = {record.key: record.value for record in deployed.read(f"{deployed.app_id}-requests-changelog")}
        return not any(last.values())

    deployed.until(none_left, "every entry of the table `requests` is deleted", every_s=0.2)


def told(worker: WorkerProcess, event: str) -> int:
    """How often a worker has logged an event."""
    return worker.log_path.read_text().count(f'"event": "{event}"')


def caught_up(worker: WorkerProcess) -> float:
    """How many partitions a worker holds and has caught up with."""
    return worker.metric("roundbatch_partitions_caught_up")
