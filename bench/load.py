"""The request records that are measured: rounds of 12 comparisons of 4 KB, as round records and as single ones."""

import json
import uuid
from typing import Any

from demo import clients
from settings.kafka import KafkaSettings
from streams.wire.request_events import round_event, single_event

ROUND_SIZE = 12
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


def preload(bootstrap: str, *, rounds: int, partitions: int, callback_topic: str, round_topic: str, single_topic: str) -> int:
    """Write the same comparisons as round records and as single ones; returns how many. A round stays in one partition."""
    producer = clients.producer(
        KafkaSettings(kafka_bootstrap_servers=bootstrap),
        {"log_level": 0, "linger.ms": 20, "queue.buffering.max.kbytes": 1 << 20},
    )
    for number in range(rounds):
        bodies = [body(number, position, callback_topic) for position in range(ROUND_SIZE)]
        key, partition = f"bench-{number}".encode(), number % partitions
        producer.produce(round_topic, value=round_event(bodies), key=key, partition=partition)
        for one in bodies:
            producer.produce(single_topic, value=single_event(one), key=key, partition=partition)
        producer.poll(0)
    if producer.flush(120):
        raise TimeoutError("the broker did not acknowledge the requests within 120 s")
    return rounds * ROUND_SIZE
