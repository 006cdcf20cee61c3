"""Request bodies for tests, as CJ posts them."""

import uuid
from typing import Any

CALLBACK = "huleedu.llm_provider.comparison_result.v1"


def body(
    provider: str = "anthropic",
    *,
    callback_topic: str,
    batch: str = "138",
    iteration: int = 0,
    size: int | None = None,
    quality: tuple[float, float] = (0.8, 0.2),
    marker: str = "",
    mode: str | None = None,
    prompt_bytes: int = 0,
    model: str | None = None,
    essays: tuple[uuid.UUID, uuid.UUID] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """One comparison, of essays of its own if none are given; `marker` goes into essay A.

    (It names a fault of the simulator's, `[sim:400]`.)
    """
    first, second = essays or (uuid.uuid4(), uuid.uuid4())
    padding = "lorem ipsum " * (prompt_bytes // 24)
    blocks = [
        "**Student Assignment:**\nWrite an article.",
        f"**Essay A (ID: {first}):**\nEssay text {first} {padding}{marker} [quality:{quality[0]}]",
        f"**Essay B (ID: {second}):**\nEssay text {second} {padding} [quality:{quality[1]}]",
        "Pick the better essay.",
    ]
    overrides: dict[str, Any] = {"provider_override": provider, "system_prompt_override": "You compare essays."}
    if model is not None:
        overrides["model_override"] = model
    return {
        "user_prompt": "\n\n".join(blocks),
        "prompt_blocks": [
            {"target": "user_content", "content": text, "cacheable": place in (0, 3), "ttl": "5m", "content_hash": None}
            for place, text in enumerate(blocks)
        ],
        "callback_topic": callback_topic,
        "correlation_id": str(uuid.uuid4()),
        "user_id": None,
        "metadata": {
            "essay_a_id": str(first),
            "essay_b_id": str(second),
            "bos_batch_id": str(uuid.uuid5(uuid.NAMESPACE_OID, batch)),
            "cj_batch_id": batch,
            "cj_source": "els",
            "cj_request_type": "cj_comparison",
            "comparison_iteration": iteration,
            **({} if size is None else {"preferred_bundle_size": size}),
            **({} if mode is None else {"cj_llm_batching_mode": mode}),
            **metadata,
        },
        "llm_config_overrides": overrides,
    }
