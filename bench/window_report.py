"""Makes the figures of a large-window run out of its topics: latencies of the small rounds by phase, and resident memory."""

import json
from dataclasses import dataclass
from typing import Any

from confluent_kafka import TopicPartition

from bench.figures import latencies
from demo import clients
from settings.kafka import KafkaSettings
from tests.harness.deployment import Deployment

MIB = 1024 * 1024
Spans = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of the worker from outside. Times are seconds since the epoch, memory is bytes."""

    idle_until_s: float
    idle_bytes: int
    peak_bytes: int
    end_bytes: int
    seen: tuple[tuple[float, int], ...]
    exit_code: int


@dataclass(frozen=True, slots=True)
class Stamped:
    """A record with the broker's append time in seconds."""

    partition: int
    offset: int
    at_s: float
    value: bytes  # empty for a plan, which would be half a megabyte

    @property
    def planned(self) -> bool:
        """Whether it is a plan."""
        return not self.value


def report(deployed: Deployment, watched: Watched) -> dict[str, Any]:
    """The figures of one run. ValueError if a request was not answered, or was answered twice."""
    requests = stamped(deployed, deployed.request_topic)
    results = stamped(deployed, deployed.result_topic)
    answered: dict[str, float] = {}
    for result in results:
        found = json.loads(result.value)["correlation_id"]
        if found in answered:
            raise ValueError(f"{found} was answered twice")
        answered[found] = result.at_s
    missing = [one for one in deployed.sent if one not in answered]
    if missing:
        raise ValueError(f"{len(missing)} requests were not answered")
    phases = _phases(stamped(deployed, deployed.work_topic), requests)
    small = [_small(record, answered) for record in requests if record.partition != 0]
    idle = [latency_s for at_s, latency_s in small if at_s < watched.idle_until_s]
    figures = {"idle": latencies(idle)}
    for name, spans in phases.items():
        figures[name] = latencies([latency_s for at_s, latency_s in small if _within(at_s, spans)])
        held = [held for at_s, held in watched.seen if _within(at_s, spans)]
        figures[name]["resident_mib_most"] = round(max(held, default=0) / MIB, 1)
        figures[name]["seconds"] = round(sum(end_s - start_s for start_s, end_s in spans), 1)
    return {
        "phases": figures,
        "p95_times_idle": {name: round(figures[name]["p95_ms"] / figures["idle"]["p95_ms"], 2) for name in phases},
        "resident_mib": {
            "idle": round(watched.idle_bytes / MIB, 1),
            "peak": round(watched.peak_bytes / MIB, 1),
            "end": round(watched.end_bytes / MIB, 1),
            "above_idle": round((watched.peak_bytes - watched.idle_bytes) / MIB, 1),
        },
        "exit_code": watched.exit_code,
    }


def stamped(deployed: Deployment, topic: str) -> list[Stamped]:
    """Every record of a topic with its append time."""
    kafka = KafkaSettings(kafka_bootstrap_servers=deployed.bootstrap)
    consumer = clients.consumer(kafka, {"group.id": f"{topic}-report", "log_level": 0})
    records: list[Stamped] = []
    for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        consumer.assign([TopicPartition(topic, partition, low)])
        while consumer.position([TopicPartition(topic, partition)])[0].offset < high and high > low:
            for message in consumer.consume(500, timeout=1.0):
                if message.error():
                    raise RuntimeError(str(message.error()))
                value = message.value() or b""
                plan = b'"kind":"job_planned"' in value[:40]  # of any version; not decoded, it may be large
                at_s = message.timestamp()[1] / 1000
                records.append(Stamped(partition, message.offset() or 0, at_s, b"" if plan else value))
    consumer.close()
    return records


def _phases(work: list[Stamped], requests: list[Stamped]) -> dict[str, Spans]:
    """The parts of the window's life by the records of its partition, each as stretches of time; `whole` is all of them."""
    planned: dict[int, float] = {}
    jobs: dict[str, dict[str, list[float]]] = {}
    for record in work:
        if record.partition == 0 and record.value:
            found = json.loads(record.value)
            for part in found.get("records", [found]):
                if part.get("job_id"):
                    jobs.setdefault(part["job_id"], {}).setdefault(part["kind"], []).append(record.at_s)
        if record.partition == 0 and record.planned:
            planned[record.offset] = record.at_s
    gathered = [record.at_s for record in requests if record.partition == 0]
    sending = [(planned[int(name.split("-")[2])], max(said["submitted"])) for name, said in jobs.items()]
    reading = [(min(said["outcomes"]), max(said.get("job_ended", said["outcomes"]))) for said in jobs.values()]
    gathering = [(min(gathered), max(gathered))]
    return {
        "gathering": gathering,
        "sending": sending,
        "reading": reading,
        "sending_and_reading": [*sending, *reading],
        "whole": [*gathering, *sending, *reading],
    }


def _within(at_s: float, spans: Spans) -> bool:
    return any(start_s <= at_s <= end_s for start_s, end_s in spans)


def _small(record: Stamped, answered: dict[str, float]) -> tuple[float, float]:
    ids = [one["correlation_id"] for one in json.loads(record.value)["data"]["comparisons"]]
    return record.at_s, max(answered[one] for one in ids) - record.at_s
