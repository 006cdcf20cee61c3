"""The Helm chart, rendered by the real helm."""

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

CHECKOUT = Path(__file__).resolve().parents[2]
CHART = CHECKOUT / "deploy/helm/roundbatch"
#: Values files of the chart, by their names' heads: minimal, secured, keda, gateway.
VALUES = {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}
VERSION = "v3.22.0"
NEEDS_HELM = pytest.mark.skipif(
    shutil.which("helm") is None,
    reason=f"helm is missing: go install helm.sh/helm/v3/cmd/helm@{VERSION} (`.ci/run` does it where there is a Go)",
)
_TIMEOUT_S = 240

Resource = dict[str, Any]


class Refused(Exception):
    """helm did not render; the message is what it said."""


def helm(*arguments: str) -> str:
    """What helm prints. Refused where it fails."""
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


@functools.cache
def render(values: str, *sets: str, flags: tuple[str, ...] = (), release: str = "cj") -> tuple[Resource, ...]:
    """The resources of one of VALUES with some set otherwise (`replicas=3`, as JSON). Not to be changed: they are cached."""
    given = [argument for one in sets for argument in ("--set-json", one)]
    # A helm that `go install` built takes the cluster for an old one, unless it is told.
    printed = helm("template", release, str(CHART), "--values", str(VALUES[values]), "--kube-version", "1.33", *given, *flags)
    return tuple(resource for resource in yaml.safe_load_all(printed) if resource is not None)


#: What the resources of the workers and of the gateways are called by label, and what runs their pods.
WORKERS, GATEWAYS = "roundbatch", "roundbatch-gateway"
_RUN_BY = {WORKERS: "StatefulSet", GATEWAYS: "Deployment"}


def of_the(name: str, resources: tuple[Resource, ...]) -> list[Resource]:
    """The resources of the workers, or of the gateways."""
    return [resource for resource in resources if resource["metadata"]["labels"]["app.kubernetes.io/name"] == name]


def only(resources: tuple[Resource, ...], kind: str, of: str = WORKERS) -> Resource:
    """The one resource of a kind."""
    (found,) = (resource for resource in of_the(of, resources) if resource["kind"] == kind)
    return found


def pod_of(resources: tuple[Resource, ...], of: str = WORKERS) -> Resource:
    """The pod's spec."""
    spec: Resource = only(resources, _RUN_BY[of], of)["spec"]["template"]["spec"]
    return spec


def container_of(resources: tuple[Resource, ...], of: str = WORKERS) -> Resource:
    """The one container."""
    (container,) = pod_of(resources, of)["containers"]
    found: Resource = container
    return found


def environment_of(resources: tuple[Resource, ...], of: str = WORKERS) -> dict[str, str]:
    """The container's variables; one out of a Secret has its reference as JSON for its value, and the pod's name is "pod-0"."""
    return {one["name"]: _value(one) for one in container_of(resources, of)["env"]}


def _value(variable: Resource) -> str:
    if "value" in variable:
        return str(variable["value"])
    of_the_pod = variable["valueFrom"].get("fieldRef")
    if of_the_pod is not None:
        return {"metadata.name": "pod-0"}[of_the_pod["fieldPath"]]
    return json.dumps(variable["valueFrom"]["secretKeyRef"])
