"""What the gauges and `roundbatch watch` tell of judges."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from rich.console import Console

from agents.metrics.labels import Labels
from agents.status.judges import JudgesCollector, judges_status
from agents.windows.judges import Judge
from cli.watch.view import view
from domain.judgement import Rules, alarms, by_model, count_days, group, wealth
from domain.partition.corrections import Correction, Corrections
from streams.wire.status.told import merge
from tests.harness.audit_rows import rows
from tests.harness.status_example import told

TODAY = 20_500
WHO = {"provider": "openai", "model": "model-2026-01-01"}


@pytest.fixture
def judges() -> Any:
    """A look that has found one judge, bent by a shift."""
    ((key, found),) = by_model(rows(range(TODAY - 29, TODAY + 1), 34, shift=2.0)).items()
    sounding = alarms(count_days(found), Rules(), models=1, after_day=0, today=TODAY)
    return SimpleNamespace(
        seen=(Judge(*key, group(key[1], found, Rules()), sounding, 8, wealth(found, Rules(), after_day=TODAY - 10)),),
        threshold_log10=4.35,
        month_usd=0.25,
    )


def gauges(judges: Any, *corrections: Corrections) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(JudgesCollector(judges, lambda: corrections, Labels(CollectorRegistry())))
    return registry


def test_evidence_is_told_with_where_the_alarm_sounds(judges: Any) -> None:
    found = gauges(judges)
    shift = found.get_sample_value("roundbatch_audit_evidence_log10", {**WHO, "test": "shift"})
    excess = found.get_sample_value("roundbatch_audit_evidence_log10", {**WHO, "test": "excess"})
    assert found.get_sample_value("roundbatch_audit_alarm_log10", {}) == 4.35
    assert shift is not None
    assert excess is not None
    assert shift > 4.35


def test_what_each_bet_has_made_is_told_so_that_workers_add_up(judges: Any) -> None:
    found = gauges(judges)
    bets = {
        sample.labels["bet"]: sample.value
        for family in found.collect()
        for sample in family.samples
        if sample.name == "roundbatch_audit_log_wealth" and sample.labels["test"] == "shift"
    }
    assert len(bets) == 12
    assert bets["+0.2"] > 3
    assert bets["-0.2"] < -3


def test_the_tightest_limit_of_any_partition_is_told_and_a_lifted_one_is_0(judges: Any) -> None:
    one = Corrections([Correction("openai", "a", 1, most=8), Correction("openai", "b", 1, most=0)])
    other = Corrections([Correction("openai", "a", 2, most=4), Correction("openai", "b", 1, most=0), Correction("x", "c", 1)])
    found = gauges(judges, one, other)
    limits = {name: found.get_sample_value("roundbatch_bundle_limit", {"provider": "openai", "model": name}) for name in "ab"}
    assert limits == {"a": 4, "b": 0}
    assert found.get_sample_value("roundbatch_bundle_limit", {"provider": "x", "model": "c"}) is None


def test_the_status_says_bent_while_an_alarm_sounds(judges: Any) -> None:
    (one,) = judges_status(judges).models
    assert (one.model, one.audits, one.finding, one.limit) == ("model-2026-01-01", 1_020, "bent", 8)
    assert "shift" in one.alarms
    assert one.measures["shift"].low > 0.01


def test_watch_has_a_row_for_each_model() -> None:
    out = io.StringIO()
    Console(file=out, width=160).print(view(merge([told()]), [], 160))
    shown = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "judges, by audits; $0.2604 in 30 days" in shown
    (bent,) = (line for line in shown if "claude-haiku-5-5-20261001" in line)
    assert bent.startswith("anthropic claude-haiku-5-5-20261001 1,204 +0.4 (-0.9 to +1.7) +4.1 (+2.2 to +6.0) +1.2")
    assert bent.endswith("at most 8 bent")
    assert any("not known yet (140 of about 246)" in line for line in shown)
