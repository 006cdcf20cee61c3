"""Metrics of what is judged, and of essays that speak to the judge (docs/quality.md)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from agents.metrics.labels import Labels
from domain.answer import ESSAY_A, Answer
from domain.census import LETTERS, THIRDS, bundle_class, third
from domain.job import Layout

_Labels = tuple[str, ...]
_THIRDS = ("first", "middle", "last")
_ONLY, _SINGLE = "only", "single"  # of a comparison that is alone in its line: its third, and its layout


class _Cell:
    """What lines of one size have brought: by third of the line how often B and A won, and by confidence; all A or all B."""

    __slots__ = ("confidence", "one_letter", "winners")

    def __init__(self) -> None:
        self.winners = [[0, 0] for _ in range(THIRDS)]
        self.confidence = [0] * 6
        self.one_letter = 0


class CensusMetrics(Collector):
    """Each method counts one thing that was seen. An answer that is read again after a crash counts again.

    Verdicts are counted in lists and made into samples at a scrape: two counters would take 5 µs a comparison, and this 1 µs.
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._suspects = labels.counter("roundbatch_suspects", "Suspect essays, by the rule that they meet.", "rule")
        self._cells: dict[tuple[str, str, Layout, int], _Cell] = {}
        labels.registry.register(self)

    def suspect(self, rules: Iterable[str]) -> None:
        """An essay of a batch meets these rules."""
        for rule in rules:
            self._suspects.labels(self._labels.word(rule)).inc()

    def line(self, provider: str, model: str, layout: Layout, verdicts: Sequence[object]) -> None:
        """A line came back from this model, as it names itself; verdicts: for each slot an Answer, or why there is none."""
        size = len(verdicts)
        key = (self._labels.provider(provider), self._labels.model(model), layout, size)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = _Cell()
        answered = won = 0
        for slot, verdict in enumerate(verdicts):
            if isinstance(verdict, Answer):
                a_won = verdict.winner == ESSAY_A
                cell.winners[third(slot, size)][a_won] += 1
                cell.confidence[round(verdict.confidence)] += 1
                answered += 1
                won += a_won
        if answered >= LETTERS and won in (0, answered):
            cell.one_letter += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The samples of this moment."""
        verdicts = CounterMetricFamily(
            "roundbatch_verdicts",
            "Verdicts by winner, size and layout of the line they came in, and third of it in which they were asked.",
            labels=("provider", "model", "bundle", "layout", "third", "winner"),
        )
        confidence = CounterMetricFamily(
            "roundbatch_confidence",
            "Verdicts by how sure the model says it is, from 1 to 5.",
            labels=("provider", "model", "bundle", "confidence"),
        )
        one_letter = CounterMetricFamily(
            "roundbatch_one_letter_lines",
            f"Lines of {LETTERS} verdicts and more that are all A, or all B.",
            labels=("provider", "model", "bundle"),
        )
        for family, counts in zip((verdicts, confidence, one_letter), self._sums(), strict=True):
            for labels, count in counts.items():
                family.add_metric(labels, count)
            yield family

    def _sums(self) -> tuple[Counter[_Labels], Counter[_Labels], Counter[_Labels]]:
        verdicts, confidence, one_letter = Counter[_Labels](), Counter[_Labels](), Counter[_Labels]()
        for (provider, model, layout, size), cell in self._cells.items():
            of = (provider, model, bundle_class(size))
            for place, counts in enumerate(cell.winners[:size]):
                where = (layout, _THIRDS[place]) if size > 1 else (_SINGLE, _ONLY)
                for letter, count in zip("BA", counts, strict=True):
                    verdicts[*of, *where, letter] += count
            for sure, count in enumerate(cell.confidence):
                if sure:
                    confidence[*of, str(sure)] += count
            if size >= LETTERS:
                one_letter[of] += cell.one_letter
        return verdicts, confidence, one_letter
