"""OpenRouter, the mock, and a server that only speaks OpenAI's chat completions: a round for each, from request to result."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.harness.deployment import Deployment

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"


def example() -> dict[str, str]:
    """The environment that the page gives for a server that speaks OpenAI's API."""
    section = PAGE.read_text().split("## A server that speaks OpenAI's API")[1]
    (lines,) = re.findall(r"```sh\n(.*?)```", section.split("\n## ")[0], re.DOTALL)
    pairs = (word.partition("=") for line in lines.splitlines() for word in shlex.split(line)[1:])
    return {name: value for name, _, value in pairs}


def test_a_round_for_each_is_answered(deployed: Deployment) -> None:
    env = example()
    assert env["OPENAI_BASE_URL"].endswith("/v1")
    deployed.env |= env | {
        "OPENAI_BASE_URL": deployed.simulator.openai_url,
        "OPENROUTER_API_KEY": "key-r",
        "ROUNDBATCH_OPENROUTER__BASE_URL": deployed.simulator.openrouter_url,
        "ROUNDBATCH_OPENROUTER__LLM_BATCHING_STRATEGY": "serial_bundle",
        "ROUNDBATCH_MOCK__ENABLED": "true",
    }
    worker = deployed.worker()
    asked_of: dict[str, str] = {}
    for provider in ("openrouter", "mock", "openai"):
        bodies = [
            deployed.body(provider, batch=f"b-{provider}", size=5, quality=(0.1, 0.9), mode="provider_batch_api")
            for _ in range(5)
        ]
        asked_of |= {one["correlation_id"]: provider for one in bodies}
        deployed.send_round(bodies)
    events = deployed.wait_answered()

    deployed.check_promises()
    by_provider: dict[str, list[dict[str, Any]]] = {}
    for correlation_id, event in events.items():
        assert event["data"]["provider"] == asked_of[correlation_id]
        by_provider.setdefault(asked_of[correlation_id], []).append(event["data"])
    modes = {name: {one["request_metadata"]["queue_processing_mode"] for one in of} for name, of in by_provider.items()}
    assert modes == {"openrouter": {"serial_bundle"}, "mock": {"per_request"}, "openai": {"serial_bundle"}}
    models = {name: {one["model"] for one in of} for name, of in by_provider.items()}
    assert models == {
        "openrouter": {"anthropic/claude-haiku-5.5"},
        "mock": {"mock"},
        "openai": {env["ROUNDBATCH_OPENAI__MODEL"]},
    }
    for name in ("openrouter", "openai"):
        assert {one["winner"] for one in by_provider[name]} == {"Essay B"}

    items = deployed.simulator.items()
    routed = [item["cost_usd"] for item in items if item["provider"] == "openrouter"]
    assert sum(one["cost_estimate"] for one in by_provider["openrouter"]) == pytest.approx(sum(routed))
    assert all("Made up" in one["justification"] and one["cost_estimate"] == 0 for one in by_provider["mock"])
    into, out = (float(env[f"ROUNDBATCH_OPENAI__{kind}_USD_PER_MTOK"]) for kind in ("INPUT", "OUTPUT"))
    tokens = [one["token_usage"] for one in by_provider["openai"]]
    usd = sum(one["prompt_tokens"] * into + one["completion_tokens"] * out for one in tokens) / 1_000_000
    assert sum(one["cost_estimate"] for one in by_provider["openai"]) == pytest.approx(usd)

    assert worker.metric("roundbatch_mock_enabled") == 1
    for name in by_provider:
        assert worker.metric("roundbatch_batches_not_taken_total", provider=name) == 5
