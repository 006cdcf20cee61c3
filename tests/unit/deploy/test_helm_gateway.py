"""The gateway in the Helm chart: off unless asked for, before the same Kafka, killed later than its last post is answered."""

import re

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from settings.settings import Settings, load_settings
from tests.brokers.certificates import Authority
from tests.harness.helm import GATEWAYS, NEEDS_HELM, VALUES, WORKERS, container_of, environment_of, of_the, only, pod_of, render
from tests.harness.watched import RULES

pytestmark = NEEDS_HELM

ON = "gateway.enabled=true"
HOLD_S = Settings.model_fields["gateway"].get_default(call_default_factory=True).hold_s
MIB = 2**20


def test_without_being_asked_for_there_is_none() -> None:
    """Nobody is asked for a password there, and each post costs money."""
    assert of_the(GATEWAYS, render("minimal")) == []
    assert [one["kind"] for one in of_the(GATEWAYS, render("minimal", ON))] == ["PodDisruptionBudget", "Service", "Deployment"]


def test_what_it_renders_is_what_kubernetes_takes() -> None:
    known = [one for one in render("gateway") if not one["apiVersion"].startswith("monitoring")]
    assert {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"} <= {one["kind"] for one in of_the(GATEWAYS, known)}
    for resource in known:
        for version in ("1.27", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(resource, version, strict=True)


def test_the_workers_are_as_without_it() -> None:
    """A gateway that is switched on, or set otherwise, rolls no worker."""
    without = of_the(WORKERS, render("gateway", "gateway.enabled=false"))
    assert of_the(WORKERS, render("gateway", "settings.GATEWAY__MOST_HELD=7")) == without


def test_the_selectors_tell_workers_and_gateways_apart() -> None:
    resources = render("gateway")
    labels = {
        WORKERS: only(resources, "StatefulSet")["spec"]["template"]["metadata"]["labels"].items(),
        GATEWAYS: only(resources, "Deployment", GATEWAYS)["spec"]["template"]["metadata"]["labels"].items(),
    }
    for own, other in ((WORKERS, GATEWAYS), (GATEWAYS, WORKERS)):
        run_by = "StatefulSet" if own == WORKERS else "Deployment"
        for selector in (
            only(resources, run_by, own)["spec"]["selector"]["matchLabels"],
            only(resources, "Service", own)["spec"]["selector"],
            only(resources, "PodDisruptionBudget", own)["spec"]["selector"]["matchLabels"],
            only(resources, "NetworkPolicy", own)["spec"]["podSelector"]["matchLabels"],
        ):
            assert selector.items() <= labels[own]
            assert not selector.items() <= labels[other]


def test_it_reaches_kafka_as_the_workers_do_and_has_no_key_of_a_provider(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("files")
    authority = Authority(folder)
    resources = render("gateway", "settings.GATEWAY__MOST_HELD=7")
    environment = environment_of(resources, GATEWAYS)
    assert not any("API_KEY" in name for name in environment)
    for name, value in environment.items():
        if value.startswith("/etc/roundbatch/"):
            environment[name] = str(authority.ca)
        elif value.startswith("{"):
            environment[name] = "secret"
    settings = load_settings(environment)
    assert settings.gateway.most_held == 7
    assert settings.gateway.host == "0.0.0.0"
    assert settings.gateway.port == container_of(resources, GATEWAYS)["ports"][0]["containerPort"]
    given = yaml.safe_load(VALUES["gateway"].read_text())
    kafka = {name for part in ("settings", "secretEnv", "files") for name in given[part] if name.startswith("KAFKA_")}
    assert {f"ROUNDBATCH_{name}" for name in kafka} <= set(environment)
    (volume,) = pod_of(resources, GATEWAYS)["volumes"]
    assert [item["path"] for one in volume["projected"]["sources"] for item in one["configMap"]["items"]] == [
        "KAFKA_SSL_CA_FILE"
    ]


@pytest.mark.parametrize("setting", ["GATEWAY__HOLD_S", "SHUTDOWN_TIMEOUT_S"])
@pytest.mark.parametrize("seconds", [None, 5, 50, 54.5])
def test_a_pod_is_killed_later_than_its_last_post_is_answered(setting: str, seconds: float | None) -> None:
    resources = render("minimal", ON, *(() if seconds is None else (f"settings.{setting}={seconds}",)))
    (word, pause_s) = container_of(resources, GATEWAYS)["lifecycle"]["preStop"]["exec"]["command"]
    assert word == "sleep"
    grace_s = pod_of(resources, GATEWAYS)["terminationGracePeriodSeconds"]
    assert grace_s >= int(pause_s) + (HOLD_S if seconds is None else seconds) + 10


def test_no_restart_and_no_empty_service_while_kafka_is_away() -> None:
    """Held posts live in the process, and CJ gets over 3 s of refused connections and not more."""
    container = container_of(render("minimal", ON), GATEWAYS)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["path"] not in ("/healthz", "/readyz"), "they say 503 while Kafka is away"
        assert asked["port"] == container["ports"][0]["name"]
    spec = only(render("minimal", ON), "Deployment", GATEWAYS)["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    budget = only(render("minimal", ON), "PodDisruptionBudget", GATEWAYS)["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_any_number_of_them_may_be() -> None:
    """It is not bound to partitions, as the workers are."""
    spec = only(render("minimal", ON, "gateway.replicas=40"), "Deployment", GATEWAYS)["spec"]
    assert spec["replicas"] == 40


def test_cj_reaches_it_by_the_services_name() -> None:
    service = only(render("gateway"), "Service", GATEWAYS)
    assert service["metadata"]["name"] == "llm-provider-service"
    (port,) = service["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8080, container_of(render("gateway"), GATEWAYS)["ports"][0]["name"])
    assert "clusterIP" not in service["spec"]
    assert only(render("minimal", ON), "Service", GATEWAYS)["metadata"]["name"] == "cj-roundbatch-gateway"


def test_a_pod_may_do_no_more_than_it_needs() -> None:
    resources = render("gateway")
    assert container_of(resources, GATEWAYS)["securityContext"] == container_of(resources)["securityContext"]
    assert pod_of(resources, GATEWAYS)["securityContext"] == pod_of(resources)["securityContext"]
    for name in ("automountServiceAccountToken", "enableServiceLinks"):
        assert pod_of(resources, GATEWAYS)[name] is False


def test_its_memory_holds_the_most_posts_that_it_may_hold() -> None:
    """Each as a body, as a record, and in the producer's batch; the process without posts has been seen at 61 MiB."""
    most_held = Settings.model_fields["gateway"].get_default(call_default_factory=True).most_held
    limit = container_of(render("minimal", ON), GATEWAYS)["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Gi")) * 1024 >= 3 * most_held + 61


def test_prometheus_calls_the_job_as_the_alerts_do() -> None:
    resources = render("gateway")
    monitor, service = only(resources, "ServiceMonitor", GATEWAYS), only(resources, "Service", GATEWAYS)
    job = service["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    assert f'job="{job}"' in RULES.read_text()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


def test_the_network_policy_lets_cj_in_and_kafka_out() -> None:
    policy = only(render("gateway"), "NetworkPolicy", GATEWAYS)["spec"]
    (way_in,) = policy["ingress"]
    assert way_in["from"] == [{"podSelector": {"matchLabels": {"app": "cj-assessment-service"}}}]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 9093}


def test_every_setting_of_it_that_the_chart_names_exists() -> None:
    text = (VALUES["gateway"].parent.parent / "templates/gateway.yaml").read_text()
    named = set(re.findall(r"GATEWAY__([A-Z_]+)", text))
    assert {name.lower() for name in named} <= set(type(Settings().gateway).model_fields)
