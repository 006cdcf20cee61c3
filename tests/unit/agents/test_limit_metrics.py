"""The limiters' states as metrics."""

from prometheus_client import CollectorRegistry

from agents.accounts.batch_queue import Amount, BatchQueueState
from agents.metrics.labels import Labels
from agents.status.limit_gauges import LimitCollector
from providers.limits.account_limits import AccountState, LimitState


def state(models: int = 1) -> AccountState:
    return AccountState(
        limits={
            f"m{number}": {
                "requests": LimitState(50.0 - number / 100, 12.5, 8.0),
                "input_tokens": LimitState(40_000.0, -300.0),
                "output_tokens": LimitState(None, None),
            }
            for number in range(models)
        },
        throttled_s={("m0", "requests"): 4.0, ("m0", "pause"): 2.5},
        paused_s={"m0": 7.0},
        waiting=9,
        under_way=3,
        concurrent_calls=16,
        share=0.5,
        limits_share=0.7,
    )


def registry_of(states: dict[str, AccountState]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(LimitCollector(lambda: states, Labels(registry)))
    return registry


def test_limits_what_is_left_and_what_calls_waited_for() -> None:
    told = registry_of({"openai": state()})
    of = {"provider": "openai", "model": "m0"}
    assert told.get_sample_value("roundbatch_limit_per_minute", {**of, "kind": "requests"}) == 50
    assert told.get_sample_value("roundbatch_limit_remaining", {**of, "kind": "input_tokens"}) == -300
    assert told.get_sample_value("roundbatch_limit_per_minute", {**of, "kind": "output_tokens"}) is None  # not known
    assert told.get_sample_value("roundbatch_limit_taken_by_others_total", {**of, "kind": "requests"}) == 8
    assert told.get_sample_value("roundbatch_limit_taken_by_others_total", {**of, "kind": "output_tokens"}) is None
    assert told.get_sample_value("roundbatch_throttled_seconds_total", {**of, "kind": "pause"}) == 2.5
    assert told.get_sample_value("roundbatch_throttled_seconds_total", {**of, "kind": "concurrency"}) == 0
    for name, value in (
        ("roundbatch_calls_waiting", 9),
        ("roundbatch_calls_under_way", 3),
        ("roundbatch_calls_at_once", 16),
        ("roundbatch_account_share", 0.5),
        ("roundbatch_limits_share", 0.7),
        ("roundbatch_limit_pause_seconds", 7),
    ):
        assert told.get_sample_value(name, {"provider": "openai"}) == value, name


def test_batch_queues_of_accounts_that_have_a_limit() -> None:
    registry = CollectorRegistry()
    queues = {("anthropic", ""): BatchQueueState(Amount(240, 500_000), 1_000.0, None, waiting=2, throttled_s=31.5)}
    registry.register(LimitCollector(dict, Labels(registry), lambda: queues))
    of = {"provider": "anthropic", "model": ""}
    assert registry.get_sample_value("roundbatch_enqueued", {**of, "kind": "items"}) == 240
    assert registry.get_sample_value("roundbatch_enqueued", {**of, "kind": "tokens"}) == 500_000
    assert registry.get_sample_value("roundbatch_enqueued_limit", {**of, "kind": "items"}) == 1_000
    assert registry.get_sample_value("roundbatch_enqueued_limit", {**of, "kind": "tokens"}) is None
    assert registry.get_sample_value("roundbatch_throttled_seconds_total", {**of, "kind": "enqueued"}) == 31.5


def test_models_beyond_the_bound_are_taken_together() -> None:
    told = registry_of({"openai": state(70)})
    other = {"provider": "openai", "model": "other", "kind": "requests"}
    assert told.get_sample_value("roundbatch_limit_per_minute", other) == 50 - 0.69
    (family,) = (one for one in told.collect() if one.name == "roundbatch_limit_per_minute")
    assert len({sample.labels["model"] for sample in family.samples}) == 51
