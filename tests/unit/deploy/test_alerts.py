"""Alerts and dashboard: complete, linked to a runbook that exists, right by promtool, and on metrics that the worker has."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.harness.watched import CHECKOUT, RULES, dashboard_queries, rules

TESTS = RULES.with_name("alerts.test.yml")
NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus, or Prometheus' own download"
)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_how_bad_and_what_to_do(rule: dict[str, Any]) -> None:
    told = rule["annotations"]
    assert told["summary"]
    assert told["description"]
    assert rule["labels"]["severity"] in ("warning", "critical")
    path, _, anchor = told["runbook_url"].partition("#")
    assert anchor in anchors(CHECKOUT / path), f"{path} has no section #{anchor}"


def test_what_an_operator_must_be_woken_for_is_there() -> None:
    """By what the rules ask."""
    asked = {rule["alert"]: rule["expr"] for rule in rules()}
    for alert, metric in {
        "RoundbatchJobStuck": "roundbatch_oldest_job_seconds",
        "RoundbatchQueueNotMoving": "roundbatch_results_total",
        "RoundbatchDeadlineNear": "roundbatch_nearest_deadline_seconds",
        "RoundbatchBudgetUsedUp": "roundbatch_budget_held_comparisons",
        "RoundbatchDeadLettersUnanswered": 'roundbatch_dead_letters_total{answered="false"}',
        "RoundbatchRateLimited": "roundbatch_rate_limited_total",
        "RoundbatchModelWithoutPrice": "roundbatch_model_price_unknown",
        "RoundbatchLoopDead": "roundbatch_loop_silent_seconds",
        "RoundbatchRestartsInARow": "roundbatch_failstops_in_a_row",
    }.items():
        assert metric in asked[alert]


def test_every_alert_is_seen_firing() -> None:
    cases = yaml.safe_load(TESTS.read_text())["tests"]
    fired = {one["alertname"] for case in cases for one in case["alert_rule_test"] if one["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules()}


@NEEDS_PROMTOOL
def test_the_rules_fire_when_they_should() -> None:
    """And Prometheus takes its configuration, which names them."""
    for command in (["check", "config", str(RULES.with_name("prometheus.yml"))], ["test", "rules", str(TESTS)]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMTOOL
def test_the_queries_of_the_dashboard_are_promql(tmp_path: Path) -> None:
    groups = [
        {"name": "d", "rules": [{"record": f"q{place}", "expr": query} for place, query in enumerate(dashboard_queries())]}
    ]
    file = tmp_path / "queries.json"  # JSON is YAML too
    file.write_text(json.dumps({"groups": groups}))
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMTOOL
def test_the_means_of_audits_are_those_of_their_counts(tmp_path: Path) -> None:
    """The value of an audit is a label, which PromQL does not count with: each has its own weight in the query."""
    (mean,) = (query for query in dashboard_queries() if "0.25 * roundbatch_audit_counts" in query)
    (agree,) = (query for query in dashboard_queries() if 'test="excess",value="0"' in query)
    of = 'roundbatch_audit_counts{{instance="{}", model="m", bundle="2-8", layout="verbatim", test="{}", value="{}"}}'
    counts = [("w1", "excess", "0", 6), ("w1", "excess", "-0.5", 2), ("w2", "excess", "1", 2)]
    counts += [("w1", "shift", "0", 8), ("w1", "position", "-0.25", 4), ("w2", "position", "0.5", 4)]
    told = [("excess", (2 * 1 - 2 * 0.5) / 10), ("shift", 0.0), ("position", (4 * 0.5 - 4 * 0.25) / 8)]
    samples = [{"labels": f'{{model="m", bundle="2-8", test="{test}"}}', "value": value} for test, value in told]
    case = {
        "interval": "1m",
        "input_series": [{"series": of.format(where, test, value), "values": f"{n}x5"} for where, test, value, n in counts],
        "promql_expr_test": [
            {"expr": mean, "eval_time": "3m", "exp_samples": samples},
            {"expr": agree, "eval_time": "3m", "exp_samples": [{"labels": '{model="m", bundle="2-8"}', "value": 0.6}]},
        ],
    }
    file = tmp_path / "means.json"
    file.write_text(json.dumps({"rule_files": [], "evaluation_interval": "1m", "tests": [case]}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
