"""What the alerts and the dashboard ask for, and what a worker's scrape holds."""

import json
import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

CHECKOUT = Path(__file__).resolve().parents[2]
RULES = CHECKOUT / "deploy/prometheus/alerts.yml"
DASHBOARD = CHECKOUT / "deploy/grafana/dashboards/roundbatch.json"
_NAME = re.compile(r"\b(?:roundbatch|llm_provider|process)_[a-z0-9_]+")


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard_queries() -> list[str]:
    """The queries of all panels, with Grafana's variables filled in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [query.replace("$instance", ".*").replace("$__rate_interval", "5m") for query in queries]


def asked_for() -> set[str]:
    """Names of metrics, and of the series of histograms, in rules (their texts too, which may query) and dashboard."""
    texts = [rule["expr"] + rule["annotations"]["description"] for rule in rules()] + dashboard_queries()
    return {name for text in texts for name in _NAME.findall(text)}


def exposed(scrape: str) -> set[str]:
    """Names that a scrape holds, with a sample or only declared (a metric with labels has none before its first)."""
    declared = re.findall(r"^# TYPE (\S+) (\S+)$", scrape, re.MULTILINE)
    series = {name + suffix for name, kind in declared if kind == "histogram" for suffix in ("_bucket", "_sum", "_count")}
    return {name for name, _ in declared} | series | set(fed(scrape, least=float("-inf")))


def families(scrape: str) -> set[str]:
    """The metrics of a scrape, without those of the process."""
    return {name for name in re.findall(r"^# TYPE (\S+)", scrape, re.MULTILINE) if not name.startswith("process_")}


def named_in(document: Path) -> set[str]:
    """The metrics that a document names."""
    return {name for name in re.findall(r"`((?:roundbatch|llm_provider)_[a-z0-9_]+)`", document.read_text()) if name[-1] != "_"}


def fed(scrape: str, least: float = 0.0) -> set[str]:
    """Names with a sample above `least`."""
    samples = [line.rpartition(" ") for line in scrape.splitlines() if line and not line.startswith("#")]
    return {re.split(r"[{ ]", series)[0] for series, _, value in samples if float(value) > least}
