"""What is written to the work topic by closer and dispatcher: what they say in one turn of the event loop goes in few records.

A record costs as much to send, fetch, handle and acknowledge as a dozen decisions in it, and what is due at once comes at once:
windows that are complete by the acknowledgements of one batch, jobs whose plans were read together, batches that have ended.
"""

import asyncio
from typing import Any

from streams.kafka.outbox import Outbox
from streams.wire import work

# In one record, counted as members of plans and outcomes: a record is handled in one turn of the event loop. 200 outcomes take
# it 20 ms, and a round elsewhere needs many of them.
MOST_A_RECORD = 50
_A_JOBS_FACT = 3  # a claim or submission takes as long as so many outcomes

Part = tuple[work.WorkRecord, "asyncio.Future[Any]"]


class WorkLog:
    """The work topic. The records of one partition keep their order as far as they are about the same job."""

    def __init__(self, topic: str, outbox: Outbox) -> None:
        self._topic, self._outbox = topic, outbox
        self._said: dict[int, list[Part]] = {}

    def send(self, partition: int, record: work.WorkRecord) -> "asyncio.Future[Any]":
        """Send a record when this turn is over, perhaps together with others. The future is that of `Outbox.send`."""
        loop = asyncio.get_running_loop()
        told = loop.create_future()
        if not self._said:
            loop.call_soon(self._end_turn)
        self._said.setdefault(partition, []).append((record, told))
        return told

    def _end_turn(self) -> None:
        said, self._said = self._said, {}
        for partition, parts in said.items():
            together: list[Part] = []
            jobs: set[str] = set()
            size = 0
            for part in parts:
                weight, job_id = _weight(part[0]), getattr(part[0], "job_id", "")
                if together and (not weight or size + weight > MOST_A_RECORD or job_id in jobs):
                    self._send(partition, together)
                    together, jobs, size = [], set(), 0
                if not weight:
                    self._send(partition, [part])
                    continue
                together.append(part)
                size += weight
                if job_id:
                    jobs.add(job_id)
            if together:
                self._send(partition, together)

    def _send(self, partition: int, parts: list[Part]) -> None:
        records: Any = tuple(record for record, _ in parts)
        record = records[0] if len(records) == 1 else work.Several(records=records)
        sent = self._outbox.send(self._topic, work.encode(record), partition=partition)
        sent.add_done_callback(lambda sent: _tell(sent, parts))


def _tell(sent: "asyncio.Future[Any]", parts: list[Part]) -> None:
    for _, told in parts:
        if told.done():
            continue
        if sent.cancelled():
            told.cancel()
        elif (error := sent.exception()) is not None:
            told.set_exception(error)
        else:
            told.set_result(sent.result())


def _weight(record: work.WorkRecord) -> int:
    """How long its handling takes, counted in outcomes; 0 for a record that goes alone."""
    match record:
        case work.JobPlanned():
            return record.plan.size
        case work.Outcomes():
            return len(record.outcomes)
        case work.Audited():
            return len(record.replies)
        case work.SubmitClaimed() | work.Submitted():
            return _A_JOBS_FACT
        case _:
            return 0
