"""One deployment for one test: topics, workers and a simulator of its own, and the accounts of what came out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from simulator.control import SimulatorControl
from streams.wire.request_events import round_event, single_event
from tests.brokers.topics import delete_topic
from tests.harness import requests
from tests.harness.group import empty_group
from tests.harness.kafka_reads import Read, Reader, count_offsets
from tests.harness.worker import WorkerProcess
from tests.waiting import LIMIT_S, until

PARTITIONS = 2


@dataclass
class Deployment:
    """Everything of one test. Times are short: a claim runs out after 3 s, polls begin at 0.2 s."""

    bootstrap: str
    name: str
    folder: Path
    simulator: SimulatorControl
    env: dict[str, str] = field(default_factory=dict)
    workers: list[WorkerProcess] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)  # correlation ids that are to be answered, once each

    def __post_init__(self) -> None:
        self.request_topic = f"{self.name}.requested"
        self.result_topic = f"{self.name}.result"
        self.work_topic = f"{self.name}.work"
        self.app_id = self.name
        self._reader = Reader(self.bootstrap)
        self._producer = Producer({"bootstrap.servers": self.bootstrap, "log_level": 0, "message.max.bytes": 4_194_304})

    # -- workers ---------------------------------------------------------------------------------------------------

    def environment(self, state: str = "a", **more: str) -> dict[str, str]:
        """The environment of a worker; `state` names its state directory."""
        fast = {
            "ROUNDBATCH_TESTING__START_WITHIN_S": "3",
            "ROUNDBATCH_TESTING__CREATE_TIMEOUT_S": "2.9",
            "ROUNDBATCH_TESTING__CLOCK_SKEW_S": "0.5",
            "ROUNDBATCH_TESTING__LIST_SETTLE_S": "1",
            "ROUNDBATCH_QUIET_S": "0.5",
            "ROUNDBATCH_WINDOW_AGE_S": "5",
            "ROUNDBATCH_BACKOFF_FIRST_S": "0.3",
            "ROUNDBATCH_BACKOFF_MAX_S": "2",
            "ROUNDBATCH_TESTING__NEAR_DEADLINE_S": "1",
            "ROUNDBATCH_TESTING__COMMIT_INTERVAL_S": "0.2",
            "ROUNDBATCH_SHUTDOWN_TIMEOUT_S": "10",
            # A killed worker's partitions are given away after the session; 6 s is the broker's least.
            "ROUNDBATCH_BROKER_SESSION_TIMEOUT_S": "6",
        }
        for provider in ("ANTHROPIC", "OPENAI", "GOOGLE"):
            fast[f"ROUNDBATCH_{provider}__POLL_FIRST_S"] = "0.2"
            fast[f"ROUNDBATCH_{provider}__POLL_MAX_S"] = "0.5"
            fast[f"ROUNDBATCH_{provider}__CALL_TIMEOUT_S"] = "5"
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "ANTHROPIC_API_KEY": "key-a",
            "OPENAI_API_KEY": "key-o",
            "ANTHROPIC_BASE_URL": self.simulator.base_url,
            "OPENAI_BASE_URL": self.simulator.openai_url,
            "ROUNDBATCH_GOOGLE__BASE_URL": self.simulator.base_url,  # a test that wants the account gives its key
            "ROUNDBATCH_APP_ID": self.app_id,
            "ROUNDBATCH_REQUEST_TOPIC": self.request_topic,
            "ROUNDBATCH_WORK_TOPIC": self.work_topic,
            "ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": self.result_topic,
            "ROUNDBATCH_PARTITIONS": str(PARTITIONS),
            "ROUNDBATCH_STATE_DIR": str(self.folder / f"state-{state}"),
            "ROUNDBATCH_LOG_LEVEL": "DEBUG",
            **fast,
            **self.env,
            **more,
        }

    def worker(
        self, state: str = "a", env: Mapping[str, str] | None = None, *, ready: bool = True, **more: str
    ) -> WorkerProcess:
        """Start a worker; `state` names its state directory, `env` and `more` are environment, e.g. ROUNDBATCH_CRASH_AT."""
        log = self.folder / f"worker-{len(self.workers)}-{state}.log"
        started = WorkerProcess(self.environment(state, **(env or {}), **more), log, state)
        self.workers.append(started)
        return started.wait_ready() if ready else started

    def forget_ended(self) -> None:
        """Have Kafka forget workers that ended without a word to it, whose sessions the next one would wait for.

        For tests of what is found again, not of when. No worker of this deployment may be running.
        """
        assert all(one.process.poll() is not None for one in self.workers), "a worker is running"
        empty_group(self.bootstrap, self.app_id)

    def logs(self) -> str:
        """The ends of all workers' logs, for the message of an assertion."""
        return "\n".join(f"--- {one.log_path.name}\n{one.tail(25)}" for one in self.workers)

    # -- in --------------------------------------------------------------------------------------------------------

    def body(self, provider: str = "anthropic", **more: Any) -> dict[str, Any]:
        """A request body for this deployment's result topic; see tests.harness.requests.body."""
        return requests.body(provider, **{"callback_topic": self.result_topic, **more})

    def send_round(self, bodies: list[dict[str, Any]], *, part: int = 1, parts: int = 1, partition: int | None = None) -> None:
        """Send one round record; its members are counted as to be answered."""
        self.sent += [one["correlation_id"] for one in bodies]
        self.send_raw(round_event(bodies, part, parts), key=_key(bodies[0]), partition=partition)

    def send_single(self, body: dict[str, Any], *, partition: int | None = None) -> None:
        """Send one single request, counted as to be answered."""
        self.sent.append(body["correlation_id"])
        self.send_raw(single_event(body), key=_key(body), partition=partition)

    def send_raw(self, value: bytes | None, *, key: bytes | None = None, partition: int | None = None) -> None:
        """Send any bytes; nothing is counted. Returns once acknowledged."""
        self._send(self.request_topic, [(key, value)], partition)

    def send_all(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Send values with their keys, in this order; nothing is counted. Returns once all are acknowledged."""
        self._send(self.request_topic, records)

    def send_work(self, value: bytes, partition: int) -> None:
        """Send any bytes to the work topic."""
        self._send(self.work_topic, [(None, value)], partition)

    def _send(self, topic: str, records: Iterable[tuple[bytes | None, bytes | None]], partition: int | None = None) -> None:
        where: dict[str, Any] = {} if partition is None else {"partition": partition}
        refused: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(error)

        for key, value in records:
            self._producer.produce(topic, value=value, key=key, on_delivery=delivered, **where)
        left = self._producer.flush(LIMIT_S)
        assert not left, f"the broker did not acknowledge {left} records for {topic} within {LIMIT_S:g} s"
        assert not refused, f"records for {topic} were refused: {refused}"

    # -- out -------------------------------------------------------------------------------------------------------

    def read(self, topic: str) -> list[Read]:
        """Every record of a topic up to its end now; empty where there is no topic."""
        return self._reader.read(topic)

    def count(self, topic: str) -> int:
        """How many offsets of a topic are taken, without reading a record."""
        return count_offsets(self.bootstrap, topic)

    def results(self) -> list[Read]:
        """Every result event so far."""
        return self.read(self.result_topic)

    def dead_letters(self) -> list[Read]:
        """Every dead letter of the request topic so far."""
        return self.read(f"{self.request_topic}.DLQ")

    def delete_topic(self, topic: str) -> None:
        """Delete a topic, and return once it is gone."""
        delete_topic(self.bootstrap, topic)
        self._reader.forget(topic)

    def until(self, happened: Callable[[], object], what: str, *, every_s: float = 0.1) -> None:
        """Wait for something; the failure shows the workers' logs."""
        until(happened, what, self.logs, every_s=every_s)

    def wait_answered(self) -> dict[str, dict[str, Any]]:
        """Wait until every request that was sent has an event; the events by correlation id, the first of each."""
        found: dict[str, dict[str, Any]] = {}

        def missing() -> list[str]:
            return [one for one in self.sent if one not in found]

        def answered() -> bool:
            found.clear()
            for record in self.results():
                found.setdefault(record.json["correlation_id"], record.json)
            return not missing()

        def told() -> str:
            return f"{len(missing())} of {len(self.sent)} have none\n{self.logs()}"

        until(answered, "each request has an event", told, every_s=0.2)
        return found

    def check_promises(self, *, batch_items_paid_twice: int = 0) -> None:
        """Missing 0, conflicting 0, batch items paid twice 0: what must hold after any storm."""
        by_id: dict[str, set[bytes]] = {}
        for record in self.results():
            by_id.setdefault(record.json["correlation_id"], set()).add(record.value)
        missing = [one for one in self.sent if one not in by_id]
        conflicting = {one: len(values) for one, values in by_id.items() if len(values) > 1}
        unasked = [one for one in by_id if one not in self.sent]
        ledger = self.simulator.ledger()
        assert not missing, f"{len(missing)} requests have no event\n{self.logs()}"
        assert not conflicting, f"events of one id differ: {conflicting}"
        assert not unasked, f"events that nobody asked for: {unasked}"
        assert ledger["batch_items_paid_twice"] == batch_items_paid_twice, ledger

    def events_per_id(self) -> Counter[str]:
        """How many times each id's event was sent; more than once is allowed only after a crash."""
        return Counter(record.json["correlation_id"] for record in self.results())

    def close(self) -> None:
        """End the workers."""
        for one in self.workers:
            one.close()
        self._reader.close()


def _key(body: dict[str, Any]) -> bytes:
    return str(body["metadata"].get("cj_batch_id", "")).encode()


@contextmanager
def deployment(bootstrap: str, name: str, folder: Path, simulator: SimulatorControl, **env: str) -> Iterator[Deployment]:
    """A deployment whose workers are ended at the end; the topics stay, under names that no other test has."""
    made = Deployment(bootstrap, name, folder, simulator, env)
    try:
        yield made
    finally:
        made.close()
