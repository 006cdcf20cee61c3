"""The request records that are measured: comparisons of 4 KB in rounds of 12, of 96, and as single records."""

import json
import math
import uuid
from collections.abc import Mapping
from typing import Any

from demo import clients
from settings.kafka import KafkaSettings
from streams.wire.request_events import round_event, single_event

ROUND_SIZE = 12
LARGE_ROUND_SIZE = 96  # 400 KB of the 1 MiB that a request record may have; recorded rounds have 120 to 288
REQUEST_BYTES = 4_096  # of one comparison's JSON: the prompt is in it twice, whole and in blocks


def body(round_number: int, position: int, callback_topic: str, size: int = REQUEST_BYTES) -> dict[str, Any]:
    """One comparison as CJ posts it, `size` bytes long in compact JSON."""
    first, second = uuid.uuid4(), uuid.uuid4()
    made = _body(round_number, position, callback_topic, first, second, padding=0)
    spare = size - len(json.dumps(made, separators=(",", ":")))
    return _body(round_number, position, callback_topic, first, second, padding=max(0, spare // 4))


def _body(
    round_number: int, position: int, callback_topic: str, first: uuid.UUID, second: uuid.UUID, *, padding: int
) -> dict[str, Any]:
    essay = ("The harbour lay still that morning, and nobody spoke. " * (1 + padding // 50))[:padding]
    blocks = [
        "**Student Assignment:** Describe a place that you know well.",
        f"**Essay A (ID: {first}):** {essay}",
        f"**Essay B (ID: {second}):** {essay}",
        "Pick the better essay.",
    ]
    batch = f"bench-{round_number}"
    return {
        "user_prompt": "\n\n".join(blocks),
        "prompt_blocks": [
            {"target": "user_content", "content": text, "cacheable": place in (0, 3), "ttl": "5m", "content_hash": None}
            for place, text in enumerate(blocks)
        ],
        "callback_topic": callback_topic,
        "correlation_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{batch}/{position}")),
        "user_id": None,
        "metadata": {
            "essay_a_id": str(first),
            "essay_b_id": str(second),
            "bos_batch_id": str(uuid.uuid5(uuid.NAMESPACE_OID, batch)),
            "cj_batch_id": batch,
            "cj_source": "els",
            "cj_request_type": "cj_comparison",
            "comparison_iteration": 0,
            "preferred_bundle_size": ROUND_SIZE,
        },
        "llm_config_overrides": {"provider_override": "anthropic", "system_prompt_override": "You compare essays."},
    }


def preload(bootstrap: str, topics: Mapping[str, str], *, rounds: int, partitions: int, callback_topic: str) -> int:
    """Write so many comparisons as rounds hold, of each kind into the topic of its name; returns how many.

    The kinds are those of bench.figures. A round stays in one partition.
    """
    producer = clients.producer(
        KafkaSettings(kafka_bootstrap_servers=bootstrap),
        {"log_level": 0, "linger.ms": 20, "queue.buffering.max.kbytes": 1 << 20},
    )
    count = rounds * ROUND_SIZE
    for size, topic in ((ROUND_SIZE, topics["rounds"]), (LARGE_ROUND_SIZE, topics["large_rounds"])):
        for number in range(math.ceil(count / size)):
            places = range(min(size, count - number * size))
            bodies = [body(number, position, callback_topic) for position in places]
            key, partition = f"bench-{number}".encode(), number % partitions
            producer.produce(topic, value=round_event(bodies), key=key, partition=partition)
            for one in bodies if size == ROUND_SIZE else ():
                producer.produce(topics["singles"], value=single_event(one), key=key, partition=partition)
            producer.poll(0)
    if producer.flush(120):
        raise TimeoutError("the broker did not acknowledge the requests within 120 s")
    return count
