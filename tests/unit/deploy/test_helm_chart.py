"""The Helm chart: what it renders is valid, fits the worker, and wrong values are refused."""

import json
import math
import re
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from agents import worker
from settings.env import fields, is_secret, variable_of
from settings.settings import Settings, load_settings
from tables.declared import BLOCK_CACHE_BYTES, WRITE_BUFFER_BYTES
from tests.brokers.certificates import Authority
from tests.harness.helm import (
    CHART,
    CHECKOUT,
    GATEWAYS,
    NEEDS_HELM,
    VALUES,
    VERSION,
    WORKERS,
    Refused,
    container_of,
    environment_of,
    helm,
    of_the,
    only,
    pod_of,
    render,
)
from tests.harness.watched import DASHBOARD, RULES

pytestmark = NEEDS_HELM

#: What Kubernetes itself does not know: other programs define them, and their schemas are asked for by name below.
CUSTOM = {"monitoring.coreos.com/v1", "keda.sh/v1alpha1"}
OPENSHIFT = ("--api-versions", "security.openshift.io/v1")
PARTITIONS = Settings.model_fields["partitions"].default


@pytest.fixture(params=VALUES)
def values(request: pytest.FixtureRequest) -> str:
    """Each of the chart's values files."""
    return str(request.param)


def test_the_linter_has_nothing_to_say(values: str) -> None:
    said = helm("lint", "--strict", str(CHART), "--values", str(VALUES[values]), "--kube-version", "1.33")
    assert "[ERROR]" not in said
    assert "[WARNING]" not in said


@pytest.mark.parametrize("version", ["1.27", kubernetes_validate.latest_version()], ids=["oldest", "newest"])
def test_what_it_renders_is_what_kubernetes_takes(values: str, version: str) -> None:
    """By Kubernetes' own schemas, which know every field: one that is misspelt fails."""
    resources = [one for one in render(values) if one["apiVersion"] not in CUSTOM]
    assert {"StatefulSet", "Service"} <= {one["kind"] for one in resources}
    for resource in resources:
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_chart_asks_for_the_oldest_kubernetes_that_is_tested() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == ">=1.27.0-0"


def test_the_settings_reach_the_worker_as_they_are_meant(values: str, tmp_path: Path) -> None:
    """The real settings take every variable of the container, secrets and certificates in place of their references."""
    authority = Authority(tmp_path)
    signed = authority.sign("user")
    files = {"CA": authority.ca, "CERT": signed.certificate, "KEY": signed.key}
    (tmp_path / "secret").write_text("secret\n")
    environment = environment_of(render(values))
    for name, value in environment.items():
        if value.startswith("{"):
            environment[name] = "secret"
        elif value.startswith("/etc/roundbatch/"):
            kind = re.search(r"SSL_(CA|CERT|KEY)_FILE$", name)
            environment[name] = str(files[kind[1]] if kind else tmp_path / "secret")
    settings = load_settings(environment)
    assert settings.health_host == "0.0.0.0"
    assert settings.health_port == container_of(render(values))["ports"][0]["containerPort"]
    assert str(settings.state_dir) in {mount["mountPath"] for mount in container_of(render(values))["volumeMounts"]}
    assert settings.configured_providers
    given = yaml.safe_load(VALUES[values].read_text())["settings"]
    for path, _ in fields(Settings):
        setting = variable_of(path).removeprefix("ROUNDBATCH_")
        if setting in given and isinstance(given[setting], int | float):
            value: Any = settings
            for part in path:
                value = getattr(value, part)
            assert value == given[setting], f"{setting} came as {environment[variable_of(path)]}"


def test_a_large_number_is_written_out() -> None:
    """Helm reads numbers as floats: 4294967296 would come as 4.294967296e+09, which is no whole number to the settings."""
    environment = environment_of(render("secured"))
    assert environment["ROUNDBATCH_MAX_PENDING_BYTES"] == "4294967296"
    assert environment["ROUNDBATCH_TESTING__DONE_FLUSH_S"] == "0.25"
    assert environment["ROUNDBATCH_HONOR_REQUEST_MODE"] == "false"


def test_secrets_are_references_and_never_values() -> None:
    resources = render("secured")
    environment = environment_of(resources)
    secrets = [variable_of(path) for path, field in fields(Settings) if is_secret(field)]
    assert json.loads(environment["ROUNDBATCH_ANTHROPIC__API_KEY"]) == {"name": "roundbatch-keys", "key": "anthropic"}
    (volume,) = (one for one in pod_of(resources)["volumes"] if one["name"] == "files")
    sources = volume["projected"]["sources"]
    assert {"configMap": {"name": "kafka-ca", "items": [{"key": "ca.crt", "path": "KAFKA_SSL_CA_FILE"}]}} in sources
    (mount,) = (one for one in container_of(resources)["volumeMounts"] if one["name"] == "files")
    assert mount["readOnly"]
    mounted = {item["path"] for source in sources for one in source.values() for item in one["items"]}
    named = {Path(value).name for value in environment.values() if value.startswith(f"{mount['mountPath']}/")}
    assert mounted == named
    assert not [one for one in resources if one["kind"] == "Secret"]
    for name in secrets:
        with pytest.raises(Refused, match="is a secret"):
            render("minimal", f"settings.{name.removeprefix('ROUNDBATCH_')}={json.dumps('plain')}")


@pytest.mark.parametrize("seconds", [0, 30, 90.5, 600])
def test_a_pod_has_the_time_that_the_workers_stop_may_take(seconds: float) -> None:
    grace_s = pod_of(render("minimal", f"settings.SHUTDOWN_TIMEOUT_S={seconds}"))["terminationGracePeriodSeconds"]
    assert seconds + worker.EXIT_HARD_S + 5 <= grace_s <= seconds + worker.EXIT_HARD_S + 15


def test_the_charts_defaults_are_the_workers() -> None:
    def default(name: str) -> Any:
        return Settings.model_fields[name].default

    resources = render("minimal")
    by_default = pod_of(resources)["terminationGracePeriodSeconds"]
    assert (
        by_default
        == pod_of(render("minimal", f"settings.SHUTDOWN_TIMEOUT_S={default('shutdown_timeout_s')}"))[
            "terminationGracePeriodSeconds"
        ]
    )
    scaled = only(render("minimal", "keda.enabled=true"), "ScaledObject")["spec"]
    assert scaled["maxReplicaCount"] == PARTITIONS
    topics = [trigger["metadata"]["topic"] for trigger in scaled["triggers"]]
    assert topics == [default("request_topic"), default("work_topic")]
    assert {trigger["metadata"]["consumerGroup"] for trigger in scaled["triggers"]} == {default("app_id")}
    watchdog = f"settings.WATCHDOG_S={default('watchdog_s')}"
    assert container_of(resources)["livenessProbe"] == container_of(render("minimal", watchdog))["livenessProbe"]


@pytest.mark.parametrize("seconds", [60, 300, 605])
def test_the_watchdog_comes_before_kubernetes(seconds: float) -> None:
    """It says where the loop stood; a kill from outside does not."""
    probe = container_of(render("minimal", f"settings.WATCHDOG_S={seconds}"))["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > seconds + 30


def test_without_a_watchdog_kubernetes_ends_a_worker_that_does_not_answer() -> None:
    probe = container_of(render("minimal", "settings.WATCHDOG_S=0"))["livenessProbe"]
    assert probe == container_of(render("minimal"))["livenessProbe"]


def test_a_recovery_may_take_as_long_as_it_takes() -> None:
    """Only readiness waits for it: neither the start nor the life of a worker is judged by it."""
    container = container_of(render("minimal"))
    port = container["ports"][0]["name"]
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": port}


def test_workers_start_together_each_on_a_volume_of_its_own() -> None:
    resources = render("secured")
    spec = only(resources, "StatefulSet")["spec"]
    assert spec["podManagementPolicy"] == "Parallel"
    assert spec["serviceName"] == only(resources, "Service")["metadata"]["name"]
    assert spec["replicas"] == 3
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    (mount,) = (one for one in container_of(resources)["volumeMounts"] if one["name"] == claim["metadata"]["name"])
    assert mount["mountPath"] == environment_of(resources)["ROUNDBATCH_STATE_DIR"]
    dockerfile = (CHECKOUT / "Dockerfile").read_text()
    assert f"ROUNDBATCH_STATE_DIR={mount['mountPath']} " in dockerfile


def test_a_workers_name_in_the_group_is_its_pods() -> None:
    name = "ROUNDBATCH_KAFKA_GROUP_INSTANCE_ID"
    assert environment_of(render("minimal"))[name] == "pod-0"
    assert name not in environment_of(render("minimal", "staticMembership=false"))
    assert name not in environment_of(render("gateway"), GATEWAYS)
    with pytest.raises(Refused, match="is set by the chart itself"):
        render("minimal", 'settings.KAFKA_GROUP_INSTANCE_ID="all-the-same"')


def test_one_worker_at_a_time_is_taken_away_and_a_dead_kafka_holds_up_no_drain() -> None:
    resources = render("minimal")
    budget = only(resources, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert not [one for one in render("keda") if one["kind"] == "PodDisruptionBudget"]


def test_the_selectors_find_the_pods(values: str) -> None:
    resources = render(values)
    labels = only(resources, "StatefulSet")["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        only(resources, "StatefulSet")["spec"]["selector"]["matchLabels"],
        only(resources, "Service")["spec"]["selector"],
    ]
    for one in of_the(WORKERS, resources):
        if one["kind"] == "PodDisruptionBudget":
            selectors.append(one["spec"]["selector"]["matchLabels"])
        if one["kind"] == "NetworkPolicy":
            selectors.append(one["spec"]["podSelector"]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= labels
    assert only(resources, "Service")["spec"]["clusterIP"] == "None"


def test_a_pod_may_do_no_more_than_it_needs(values: str) -> None:
    """What the standard `restricted` of Kubernetes asks for, a read-only root, and no token of the cluster."""
    pod, container = pod_of(render(values)), container_of(render(values))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert "emptyDir" in next(one for one in pod["volumes"] if one["name"] == "tmp")
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


def test_a_service_called_roundbatch_makes_no_settings() -> None:
    """Kubernetes would hand ROUNDBATCH_PORT=tcp://… to every pod beside it, and the worker refuses an unknown setting."""
    assert pod_of(render("minimal"))["enableServiceLinks"] is False


def test_who_it_runs_as_is_the_images_word_openshifts_or_ones_own() -> None:
    uid = re.search(r"^USER (\d+):0$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    assert uid
    by_default = pod_of(render("minimal"))["securityContext"]
    assert "runAsUser" not in by_default
    assert by_default["fsGroup"] == int(uid[1])
    own = pod_of(render("secured"))["securityContext"]
    assert (own["runAsUser"], own["fsGroup"]) == (1234567, 2345678)
    openshift = pod_of(render("minimal", flags=OPENSHIFT))["securityContext"]
    assert {"runAsUser", "fsGroup", "fsGroupChangePolicy"}.isdisjoint(openshift)


def test_what_is_switched_off_is_not_there() -> None:
    assert sorted(one["kind"] for one in render("minimal")) == [
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    ]


def test_the_alerts_are_those_of_the_repository_with_runbooks_that_can_be_opened() -> None:
    rule = only(render("secured"), "PrometheusRule")
    expected = yaml.safe_load(RULES.read_text().replace("runbook_url: ", "runbook_url: https://example.org/roundbatch/"))
    assert rule["apiVersion"] == "monitoring.coreos.com/v1"
    assert rule["spec"] == expected
    as_they_are = only(render("minimal", "prometheusRule.enabled=true"), "PrometheusRule")
    assert as_they_are["spec"] == yaml.safe_load(RULES.read_text())


def test_the_dashboard_is_the_one_of_the_repository() -> None:
    (dashboard,) = (one for one in render("secured") if one["kind"] == "ConfigMap")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    (text,) = dashboard["data"].values()
    assert json.loads(text) == json.loads(DASHBOARD.read_text())


def test_files_of_the_chart_are_links_to_the_one_place() -> None:
    assert {path.resolve() for path in (CHART / "files").iterdir()} == {RULES, DASHBOARD}


@pytest.mark.parametrize("release", ["cj", "roundbatch", "roundbatch-blue"])
def test_prometheus_calls_the_job_as_the_alerts_do(release: str) -> None:
    resources = render("minimal", "serviceMonitor.enabled=true", release=release)
    monitor, service = only(resources, "ServiceMonitor"), only(resources, "Service")
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "roundbatch"
    assert 'job="roundbatch"' in RULES.read_text()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    # A worker that recovers is scraped too: its alerts are about that.
    assert service["spec"]["publishNotReadyAddresses"] is True


def test_keda_scales_by_lag_within_the_partitions() -> None:
    resources = render("keda")
    scaled, stateful = only(resources, "ScaledObject"), only(resources, "StatefulSet")
    assert "replicas" not in stateful["spec"], "Helm would set back what KEDA has decided"
    assert scaled["apiVersion"] == "keda.sh/v1alpha1"
    target = scaled["spec"]["scaleTargetRef"]
    assert (target["apiVersion"], target["kind"]) == (stateful["apiVersion"], stateful["kind"])
    assert target["name"] == stateful["metadata"]["name"]
    assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (2, 6)
    for trigger in scaled["spec"]["triggers"]:
        assert trigger["type"] == "kafka"
        assert trigger["authenticationRef"] == {"name": "kafka"}
        assert all(isinstance(value, str) for value in trigger["metadata"].values()), "KEDA takes strings alone"
        assert trigger["metadata"]["consumerGroup"] == environment_of(resources)["ROUNDBATCH_APP_ID"]
        assert trigger["metadata"]["sasl"] == "scram_sha512"


def test_the_network_policy_lets_through_what_the_worker_talks_to() -> None:
    policy = only(render("secured"), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert ports == {53, 9093, 9094, 443, 8443, 4318}
    (way_in,) = policy["ingress"]
    assert way_in["ports"] == [{"protocol": "TCP", "port": container_of(render("secured"))["ports"][0]["name"]}]
    closed = only(render("keda"), "NetworkPolicy")["spec"]
    assert closed["ingress"] == []
    assert {port["port"] for rule in closed["egress"] for port in rule["ports"]} == {53, 9092, 9192, 443}


def test_the_chart_and_its_image_are_of_the_programs_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    (version,) = re.findall(r'^version = "(.+)"$', (CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE)
    assert chart["appVersion"] == version
    assert container_of(render("minimal"))["image"] == f"roundbatch:{version}"
    assert container_of(render("secured"))["image"] == "registry.example.org/team/roundbatch:1.2"


def test_ci_brings_the_helm_that_is_named_here() -> None:
    assert f"HELM_VERSION={VERSION}\n" in (CHECKOUT / ".ci/run").read_text()


def test_memory_limits_hold_what_the_tables_may_take() -> None:
    """The worst case: all partitions on one worker. The rest of the process has been seen at 378 MiB."""
    mib = 2**20
    most_mib = math.ceil((BLOCK_CACHE_BYTES + 3 * WRITE_BUFFER_BYTES) * 4 * PARTITIONS / mib) + 378
    limit = container_of(render("minimal"))["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Gi")) * 1024 > most_mib
