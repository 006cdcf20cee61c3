"""Metrics of what is judged, and of essays that speak to the judge (docs/quality.md)."""

from collections.abc import Iterable

from agents.metrics.labels import Labels


class CensusMetrics:
    """Each method counts one thing that was seen."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._suspects = labels.counter("roundbatch_suspects", "Essays whose words speak to the judge, by rule.", "rule")

    def suspect(self, rules: Iterable[str]) -> None:
        """An essay of a batch meets these rules."""
        for rule in rules:
            self._suspects.labels(self._labels.word(rule)).inc()
