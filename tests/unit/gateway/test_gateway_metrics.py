"""The gateway's metrics, and the page that tells of them."""

import re
from pathlib import Path

from gateway.metrics import REASONS, Metrics

PAGE = Path(__file__).parents[3] / "docs/metrics.md"


def test_every_metric_and_every_reason_is_documented_and_no_other() -> None:
    section = PAGE.read_text().partition("\n## The gateway\n")[2]
    documented = set(re.findall(r"`(roundbatch_gateway_\w+)`", section))
    families = [family for family in Metrics().registry.collect() if family.name.startswith("roundbatch_gateway_")]
    assert documented == {family.name + ("_total" if family.type == "counter" else "") for family in families}
    (row,) = [line for line in section.splitlines() if line.startswith("| `roundbatch_gateway_refused_total`")]
    assert set(REASONS) <= set(re.findall(r"`(\w+)`", row))


def test_a_counter_whose_increase_is_watched_exists_from_the_start() -> None:
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in Metrics().registry.collect()
        for sample in family.samples
    }
    for reason in REASONS:
        assert values["roundbatch_gateway_refused_total", reason] == 0
