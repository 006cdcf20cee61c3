"""Values of the Helm chart: wrong ones are refused by name, with the remedy; what its README and its notes say is so."""

import re
import shutil
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from settings.env import fields, is_secret, variable_of
from settings.settings import Settings
from tests.harness.helm import CHART, NEEDS_HELM, VALUES, Refused, container_of, helm, only, render

pytestmark = NEEDS_HELM


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("replicas=9", "replicas=9 is more than settings.PARTITIONS=8"),
        ('keda={"enabled": true, "maxReplicas": 9}', "keda.maxReplicas=9 is more than settings.PARTITIONS=8"),
        ('keda={"enabled": true, "minReplicas": 5, "maxReplicas": 4}', "keda.minReplicas=5 is more than keda.maxReplicas=4"),
        ('keda={"enabled": true, "minReplicas": 0}', "minReplicas"),
        ('replicas="2"', "/replicas"),
        ("replicaCount=2", "replicaCount"),
        ("settings={}", "KAFKA_BOOTSTRAP_SERVERS"),
        ('settings={"KAFKA_BOOTSTRAP_SERVERS": "kafka"}', "KAFKA_BOOTSTRAP_SERVERS"),
        ("settings.PARTITIONS=0", "PARTITIONS"),
        ('settings.PARTITIONS="8"', "PARTITIONS"),
        ("settings.ROUNDBATCH-X=1", "ROUNDBATCH-X"),
        ("settings.attempts=3", "attempts"),
        ("settings.HEALTH_PORT=9090", "settings.HEALTH_PORT is set by the chart itself"),
        ("settings.GATEWAY__PORT=9090", "settings.GATEWAY__PORT is set by the chart itself"),
        ('gateway.serviceName="llm_provider_service"', "serviceName"),
        ("gateway.replicas=-1", "replicas"),
        ('settings.GATEWAY__HOLD_S="50"', "GATEWAY__HOLD_S"),
        ('files.STATE_DIR_FILE={"key": "b"}', "STATE_DIR"),
        ('secretEnv.STATE_DIR={"secret": "a", "key": "b"}', "secretEnv.STATE_DIR is set by the chart itself"),
        ('settings.ALLOWED_CALLBACK_TOPICS=["a"]', "ALLOWED_CALLBACK_TOPICS"),
        ('settings.ANTHROPIC__API_KEY="sk-1"', "ANTHROPIC__API_KEY"),
        ('secretEnv.ANTHROPIC__API_KEY="sk-1"', "ANTHROPIC__API_KEY"),
        (
            'secretEnv.KAFKA_BOOTSTRAP_SERVERS={"secret": "a", "key": "b"}',
            "KAFKA_BOOTSTRAP_SERVERS is given in secretEnv and in settings",
        ),
        ('files.KAFKA_SSL_CA={"secret": "a", "key": "b"}', "KAFKA_SSL_CA"),
        ('files.KAFKA_SSL_CA_FILE={"key": "b"}', "KAFKA_SSL_CA_FILE"),
        ('files.KAFKA_SSL_CA_FILE={"secret": "a", "configMap": "c", "key": "b"}', "KAFKA_SSL_CA_FILE"),
        ('extraEnv=[{"name": "ROUNDBATCH_ATTEMPTS", "value": "3"}]', "extraEnv"),
        ("securityContext.runAsUser=0", "runAsUser"),
        ('persistence.size="ten"', "size"),
        ('persistence.whenDeleted="delete"', "whenDeleted"),
        ("networkPolicy.kafkaPorts=[70000]", "kafkaPorts"),
        ('prometheusRule.runbookBase="https://example.org"', "runbookBase"),
    ],
)
def test_a_wrong_value_is_refused_by_name(value: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        render("minimal", value)
    assert said in str(refused.value)


def test_as_many_workers_as_partitions_may_be() -> None:
    assert only(render("minimal", "settings.PARTITIONS=9", "replicas=9"), "StatefulSet")["spec"]["replicas"] == 9


def test_the_example_of_its_readme_is_rendered(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", (CHART / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path / "my-values.yaml"
    file.write_text(example)
    printed = helm("template", "roundbatch", str(CHART), "--values", str(file), "--kube-version", "1.33")
    names = {one["name"] for one in container_of(tuple(one for one in yaml.safe_load_all(printed) if one))["env"]}
    known = {variable_of(path) for path, _ in fields(Settings)}
    secret_files = {f"{variable_of(path)}_FILE" for path, field in fields(Settings) if is_secret(field)}
    assert names <= known | secret_files


def test_the_notes_say_when_no_provider_has_a_key(tmp_path: Path) -> None:
    # Only an installation prints them; so they are rendered as if they were a resource.
    chart, without = tmp_path / "chart", tmp_path / "without.yaml"
    shutil.copytree(CHART, chart)
    notes = (chart / "templates/NOTES.txt").read_text()
    (chart / "templates/notes.yaml").write_text(
        f'{{{{ define "notes" }}}}{notes}{{{{ end }}}}\ntext: {{{{ include "notes" . | quote }}}}\n'
    )
    without.write_text("settings: {KAFKA_BOOTSTRAP_SERVERS: kafka:9092}\n")
    for values, warned in ((VALUES["minimal"], False), (VALUES["keda"], False), (without, True)):
        command = ("template", "cj", str(chart), "--values", str(values), "--kube-version", "1.33")
        text = yaml.safe_load(helm(*command, "--show-only", "templates/notes.yaml"))["text"]
        assert "statefulset/cj-roundbatch" in text
        assert ("No provider has a key" in text) is warned
