"""What /status, and the gauges of a scrape, tell of the judges, as the last slow look has found them."""

from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agents.metrics.labels import Labels
from agents.windows.judges import Judge, Judges
from domain.evidence import Finding
from domain.intervals import Interval
from domain.partition.corrections import Corrections
from streams.wire.status.judges import JudgesStatus, JudgeStatus, Mean


def judges_status(judges: Judges) -> JudgesStatus:
    """The judges at this moment."""
    return JudgesStatus([_status(judge) for judge in judges.seen], judges.month_usd)


def _status(judge: Judge) -> JudgeStatus:
    alarms = [alarm.measure for alarm in judge.alarms.values() if alarm.sounds]
    return JudgeStatus(
        judge.provider,
        judge.model,
        judge.shown.audits,
        {name: _mean(one.interval) for name, one in judge.shown.measures.items()},
        _mean(judge.shown.retest),
        Finding.BENT if alarms else judge.shown.words(),
        alarms,
        judge.most,
    )


def _mean(interval: Interval) -> Mean:
    return Mean(*(round(value, 4) for value in interval))


class JudgesCollector(Collector):
    """The evidence of the last look, and the limits on bundles that records have set in the partitions held here."""

    def __init__(self, judges: Judges, corrections: Callable[[], Iterable[Corrections]], labels: Labels) -> None:
        self._judges, self._corrections, self._labels = judges, corrections, labels

    def describe(self) -> Iterable[Metric]:
        """The names, without asking."""
        return _families()

    def collect(self) -> Iterable[Metric]:
        """By model. Where several are `other`, the strongest evidence and the tightest limit; 0 where a limit was lifted."""
        evidence, threshold, wealth, limit = families = _families()
        bets: dict[tuple[str, str, str, str], float] = {}
        found: dict[tuple[str, str, str], float] = {}
        for judge in self._judges.seen:
            for alarm in judge.alarms.values():
                key = (*self._key(judge.provider, judge.model), alarm.measure)
                found[key] = max(alarm.log10, found.get(key, alarm.log10))
            for test, of_bets in judge.wealth.items():
                for bet, log in of_bets.items():
                    of_bet = (*self._key(judge.provider, judge.model), test, bet)
                    bets[of_bet] = bets.get(of_bet, 0.0) + log
        for of_bet, log in sorted(bets.items()):
            wealth.add_metric(of_bet, log)
        for of_test, log10 in sorted(found.items()):
            evidence.add_metric(of_test, log10)
        threshold.add_metric((), self._judges.threshold_log10)
        for of_model, most in sorted(self._limits().items()):
            limit.add_metric(of_model, most)
        return families

    def _limits(self) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for one in (one for of_partition in self._corrections() for one in of_partition.limits()):
            key = self._key(one.provider, one.model)
            found[key] = min((most for most in (one.most, found.get(key)) if most), default=0)
        return found

    def _key(self, provider: str, model: str) -> tuple[str, str]:
        return self._labels.provider(provider), self._labels.model(model)


def _families() -> tuple[GaugeMetricFamily, ...]:
    return (
        GaugeMetricFamily(
            "roundbatch_audit_evidence_log10",
            "Evidence that the model's judge is bent, by the audits of the partitions held here, as a power of 10.",
            labels=["provider", "model", "test"],
        ),
        GaugeMetricFamily(
            "roundbatch_audit_alarm_log10",
            "The evidence at which an alarm sounds; it follows from the models, and the part of all partitions held here.",
            labels=(),
        ),
        GaugeMetricFamily(
            "roundbatch_audit_log_wealth",
            "Natural log of what each bet against the judge has made of 1; the logs of several workers add up.",
            labels=["provider", "model", "test", "bet"],
        ),
        GaugeMetricFamily(
            "roundbatch_bundle_limit",
            "At most so many comparisons of the model go into one line, by roundbatch quality limit or ON_ALARM; 0: lifted.",
            labels=["provider", "model"],
        ),
    )
