"""Requests for providers that differ from the first two: the mock, one that takes no batches, prices of one's own."""

from typing import Any

from domain.reply import Reply, Usage
from streams.wire.request_events import round_event
from tests.model.test_collect import body, expect, send
from tests.model.worker import METRICS
from tests.model.world import World


def counted(name: str, provider: str) -> float:
    return METRICS.registry.get_sample_value(name, {"provider": provider}) or 0.0


def asked(provider: str, model: str, *names: str, mode: str | None = None) -> bytes:
    found: list[dict[str, Any]] = []
    for name in names:
        one = body(name, llm_config_overrides={"provider_override": provider, "model_override": model})
        if mode is not None:
            one["metadata"] |= {"cj_llm_batching_mode": mode}
        found.append(one)
    return round_event(found)


async def test_the_mock_answers_with_a_name_that_says_so_and_costs_nothing(world: World) -> None:
    worker = await world.start(mock={"enabled": True})
    send(world, asked("mock", "gpt-5.1", "m0", "m1"))
    expect(world, "m0", "m1")
    await world.finish(worker)

    for name in ("m0", "m1"):
        result = world.result(name)
        assert (result["provider"], result["model"], result["cost_estimate"]) == ("mock", "mock-gpt-5.1", 0.0)
        assert result["winner"] in ("Essay A", "Essay B")
        assert "Made up" in result["justification"]
        assert result["request_metadata"]["resolved_model"] == "mock-gpt-5.1"
        assert result["request_metadata"]["queue_processing_mode"] == "per_request"
    labels = {"provider": "mock", "model": "mock-gpt-5.1"}
    assert METRICS.registry.get_sample_value("roundbatch_prices_unknown_total", labels) is None


async def test_without_the_setting_the_mock_answers_nothing(world: World) -> None:
    worker = await world.start()
    send(world, asked("mock", "mock", "m0"))
    expect(world, "m0")
    await world.finish(worker)

    error = world.result("m0")["error_detail"]
    assert error["error_code"] == "CONFIGURATION_ERROR"
    assert "ROUNDBATCH_MOCK__ENABLED=true" in error["message"]


async def test_a_wish_for_a_batch_goes_as_calls_where_none_are_taken_and_is_counted(world: World) -> None:
    before = counted("roundbatch_batches_not_taken_total", "openai")
    worker = await world.start(openai={"batches": False, "llm_batching_strategy": "serial_bundle"})
    send(world, asked("openai", "gpt-6-luna", "m0", "m1", mode="provider_batch_api"))
    send(world, asked("openai", "gpt-6-luna", "m2"))
    expect(world, "m0", "m1", "m2")
    await world.finish(worker)

    assert not world.provider.batches
    assert {world.result(name)["request_metadata"]["queue_processing_mode"] for name in ("m0", "m1", "m2")} == {"serial_bundle"}
    assert counted("roundbatch_batches_not_taken_total", "openai") == before + 2


async def test_an_accounts_own_prices_are_booked(world: World) -> None:
    own = {"input_usd_per_mtok": 10.0, "output_usd_per_mtok": 100.0}
    worker = await world.start(model="our-judge", openai={"batches": False, "llm_batching_strategy": "per_request", **own})
    world.request("m0")
    await world.finish(worker)

    assert world.result("m0")["cost_estimate"] == (100 * 10 + 10 * 100) / 1_000_000


async def test_what_the_provider_says_it_charged_is_booked(world: World, monkeypatch: Any) -> None:
    call = world.provider.call

    async def charged(*args: Any, **more: Any) -> Reply:
        reply = await call(*args, **more)
        return Reply(
            **{field: getattr(reply, field) for field in reply.__struct_fields__} | {"cost_usd": 0.125, "usage": Usage(7, 1)}
        )

    monkeypatch.setattr(world.provider, "call", charged)
    worker = await world.start(model="unlisted", openai={"llm_batching_strategy": "per_request"})
    world.request("m0")
    await world.finish(worker)

    assert world.result("m0")["cost_estimate"] == 0.125
