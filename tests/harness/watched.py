"""What the alerts and the dashboard ask for, and what a worker's scrape holds."""

import json
import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

CHECKOUT = Path(__file__).resolve().parents[2]
RULES = CHECKOUT / "deploy/prometheus/alerts.yml"
DASHBOARD = CHECKOUT / "deploy/grafana/dashboards/roundbatch.json"
_NAME = re.compile(r"\b(?:roundbatch|llm_provider|process)_[a-z0-9_]+")
#: How the series of a metric are called after it; those of other types bear its own name.
_SERIES = {"counter": ("_total",), "histogram": ("", "_bucket", "_sum", "_count")}


def rules() -> list[dict[str, Any]]:
    """The alerts."""
    return [rule for rule in _all_rules() if "alert" in rule]


def _all_rules() -> list[dict[str, Any]]:
    """The alerts, and what is recorded for them."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard_queries() -> list[str]:
    """The queries of all panels, with Grafana's variables filled in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [query.replace("$instance", ".*").replace("$__rate_interval", "5m") for query in queries]


def asked_for() -> set[str]:
    """Names of metrics, and of the series of histograms, in rules (their texts too, which may query) and dashboard."""
    texts = [rule["expr"] + rule.get("annotations", {}).get("description", "") for rule in _all_rules()] + dashboard_queries()
    return {name for text in texts for name in _NAME.findall(text)}


def exposed(scrape: str) -> set[str]:
    """Names that a scrape holds, with a sample or only declared (a metric with labels has none before its first)."""
    found = set(fed(scrape, least=float("-inf")))
    for family in text_string_to_metric_families(scrape):
        found |= {family.name + suffix for suffix in _SERIES.get(family.type, ("",))}
    return found


def families(scrape: str) -> set[str]:
    """The metrics of a scrape, without those of the process; a counter without its `_total`."""
    return {family.name for family in text_string_to_metric_families(scrape) if not family.name.startswith("process_")}


def named_in(document: Path) -> set[str]:
    """The metrics that a document names."""
    return {name for name in re.findall(r"`((?:roundbatch|llm_provider)_[a-z0-9_]+)`", document.read_text()) if name[-1] != "_"}


def fed(scrape: str, least: float = 0.0) -> set[str]:
    """Names with a sample above `least`."""
    return {one.name for family in text_string_to_metric_families(scrape) for one in family.samples if one.value > least}
