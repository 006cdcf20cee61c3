"""What the gateway counts (docs/metrics.md): in a registry of its own, for it is a process of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads

# From a Kafka nearby to CJ's longest wait for an answer.
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
#: Why a post may be refused; each counter exists from the start.
REASONS = ("not_json", "invalid", "no_provider", "too_large", "too_many", "not_acknowledged", "stopping", "too_slow")


class Metrics:
    """Counters and gauges of one gateway."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.posts = Counter(
            "roundbatch_gateway_posts_total", "Answered posts of a comparison.", ["status"], registry=self.registry
        )
        self.refused = Counter(
            "roundbatch_gateway_refused_total", "Posts that were answered with an error.", ["reason"], registry=self.registry
        )
        self.acknowledged_s = Histogram(
            "roundbatch_gateway_acknowledgement_seconds",
            "From the whole body of a post to Kafka's acknowledgement.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.held = Gauge("roundbatch_gateway_held_posts", "Posts that are read or wait for Kafka now.", registry=self.registry)
        self.gone = Counter(
            "roundbatch_gateway_clients_gone_total",
            "Clients that left before their answer: while the body came (not sent), or after it (sent).",
            ["during"],
            registry=self.registry,
        )
        self.cut = Counter(
            "roundbatch_gateway_requests_cut_total",
            "Connections that were closed for a request that was malformed, too slow or too large.",
            ["during"],
            registry=self.registry,
        )
        self.renewed = Counter(
            "roundbatch_gateway_producers_renewed_total",
            "Producers that were replaced after an error of Kafka.",
            registry=self.registry,
        )
        self.answers = Gauge(
            "roundbatch_gateway_kafka_answers", "1: Kafka answered when it was last asked.", registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        self.posts.labels("202")
        for reason in REASONS:
            self.refused.labels(reason)
        for during in ("body", "answer"):
            self.gone.labels(during)
