"""The accounts' limits as metrics: what a minute permits, what is left of it, how long calls waited because of it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.accounts.batch_queue import BatchQueueState
from agents.metrics.labels import Labels
from providers.limits.account_limits import AccountState

KINDS = ("requests", "input_tokens", "output_tokens")
WAITS = (*KINDS, "concurrency", "pause")
States = Mapping[str, AccountState]
Queues = Mapping[tuple[str, str], BatchQueueState]  # by account, and by model where the provider counts by model


class LimitCollector(Collector):
    """Asks the limiters at each scrape. Models beyond the bound are taken together: the tightest limit, the sum of waits."""

    def __init__(self, states: Callable[[], States], labels: Labels, batch_queues: Callable[[], Queues] = dict) -> None:
        self._states, self._labels, self._batch_queues = states, labels, batch_queues

    def describe(self) -> Iterable[Metric]:
        """The names, without asking the limiters."""
        return self._families({}, {})

    def collect(self) -> Iterable[Metric]:
        """The limits of this moment."""
        return self._families(self._states(), self._batch_queues())

    def _families(self, states: States, queues: Queues) -> list[Metric]:
        limit = GaugeMetricFamily(
            "roundbatch_limit_per_minute", "What this worker may use a minute, where it is known.", labels=_BY_MODEL
        )
        left = GaugeMetricFamily(
            "roundbatch_limit_remaining",
            "What is left of roundbatch_limit_per_minute now; below 0: used in advance.",
            labels=_BY_MODEL,
        )
        throttled = CounterMetricFamily(
            "roundbatch_throttled_seconds", "Seconds in which any call or job waited, by what it waited for.", labels=_BY_MODEL
        )
        by_others = CounterMetricFamily(
            "roundbatch_limit_taken_by_others",
            "What other programs and other workers took of the account's limit, as far as headers showed it.",
            labels=_BY_MODEL,
        )
        for provider, state in sorted(states.items()):
            for (model, kind), taken in sorted(self._taken_by_others(state).items()):
                by_others.add_metric((provider, model, kind), taken)
            for family, values in ((limit, self._limits(state)), (left, self._remaining(state))):
                for (model, kind), value in sorted(values.items()):
                    family.add_metric((provider, model, kind), value)
            for (model, kind), seconds in sorted(self._throttled(state).items()):
                throttled.add_metric((provider, model, kind), seconds)
        in_queue = GaugeMetricFamily(
            "roundbatch_enqueued",
            "What this worker's batches take of an account's batch queue: lines, input tokens.",
            labels=_BY_MODEL,
        )
        most = GaugeMetricFamily(
            "roundbatch_enqueued_limit", "What this worker may have in the batch queue, where a limit is set.", labels=_BY_MODEL
        )
        for (provider, named), queue in sorted(queues.items()):
            model = self._labels.model(named)
            throttled.add_metric((provider, model, "enqueued"), queue.throttled_s)
            for kind, used, limit_of in (
                ("items", queue.used.items, queue.max_items),
                ("tokens", queue.used.tokens, queue.max_tokens),
            ):
                in_queue.add_metric((provider, model, kind), used)
                if limit_of is not None:
                    most.add_metric((provider, model, kind), limit_of)
        return [limit, left, throttled, by_others, in_queue, most, *_of_accounts(states)]

    def _limits(self, state: AccountState) -> dict[tuple[str, str], float]:
        return self._least((model, kind, one.limit) for model, kinds in state.limits.items() for kind, one in kinds.items())

    def _remaining(self, state: AccountState) -> dict[tuple[str, str], float]:
        return self._least((model, kind, one.remaining) for model, kinds in state.limits.items() for kind, one in kinds.items())

    def _taken_by_others(self, state: AccountState) -> dict[tuple[str, str], float]:
        found: defaultdict[tuple[str, str], float] = defaultdict(float)
        for model, kinds in state.limits.items():
            for kind, one in kinds.items():
                if one.limit is not None:
                    found[self._labels.model(model), kind] += one.taken_by_others
        return found

    def _least(self, values: Iterable[tuple[str, str, float | None]]) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = {}
        for model, kind, value in values:
            if value is not None:
                key = (self._labels.model(model), kind)
                found[key] = min(value, found.get(key, value))
        return found

    def _throttled(self, state: AccountState) -> dict[tuple[str, str], float]:
        found: defaultdict[tuple[str, str], float] = defaultdict(float)
        for model in state.limits:
            for kind in WAITS:  # from 0 on: to Prometheus, a series that begins at 5 s has not increased
                found[self._labels.model(model), kind] += 0.0
        for (model, kind), seconds in state.throttled_s.items():
            found[self._labels.model(model), kind] += seconds
        return found


_BY_MODEL = ("provider", "model", "kind")


def _of_accounts(states: States) -> list[Metric]:
    def gauges(name: str, what: str, value: Callable[[AccountState], float]) -> Metric:
        family = GaugeMetricFamily(name, what, labels=["provider"])
        for provider, state in sorted(states.items()):
            family.add_metric((provider,), value(state))
        return family

    return [
        gauges("roundbatch_calls_waiting", "Calls that wait at the account's limiter.", lambda state: state.waiting),
        gauges("roundbatch_calls_under_way", "Calls that the provider is answering.", lambda state: state.under_way),
        gauges("roundbatch_calls_at_once", "How many calls may be under way.", lambda state: state.concurrent_calls),
        gauges("roundbatch_account_share", "This worker's share of the account, by partitions.", lambda state: state.share),
        gauges("roundbatch_limits_share", "What all workers may take of the limits.", lambda state: state.limits_share),
        gauges(
            "roundbatch_limit_pause_seconds",
            "How long calls still wait because the provider said so (429, 529); the longest of its models.",
            lambda state: max(state.paused_s.values(), default=0.0),
        ),
    ]
