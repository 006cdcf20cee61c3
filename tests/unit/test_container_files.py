"""What the Dockerfile, the compose file, the settings and pyproject.toml must agree on."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from agents.health import PAGE
from streams.settings import Settings
from tests.brokers.image import PUBLISHED

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
FINAL_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.kafka.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STATE = "/var/lib/roundbatch"


def packages() -> list[str]:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    return [name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]]


def test_every_package_is_copied_and_let_through() -> None:
    copied = re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE)
    let_through = re.findall(r"^!(\w+)$", (CHECKOUT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(copied) == sorted(let_through) == sorted(packages())


def test_what_is_no_python_is_installed_too() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    assert PAGE.name in project["tool"]["setuptools"]["package-data"][PAGE.parent.name]


def test_the_image_installs_the_lock_by_hash() -> None:
    assert "pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock" in DOCKERFILE


def test_the_image_runs_the_worker_as_nobody_in_particular() -> None:
    (user,) = re.findall(r"^USER (.+)$", FINAL_STAGE, re.MULTILINE)
    assert int(user) > 0
    assert f"--uid {user} " in FINAL_STAGE
    assert re.search(r'^ENTRYPOINT \["roundbatch"\]\nCMD \["worker"\]$', FINAL_STAGE, re.MULTILINE)


def test_the_state_is_on_the_volume_that_the_user_owns() -> None:
    assert f"ROUNDBATCH_STATE_DIR={STATE} " in FINAL_STAGE
    assert re.search(rf"^VOLUME {STATE}$", FINAL_STAGE, re.MULTILINE)
    assert f"--owner roundbatch --group roundbatch {STATE}\n" in FINAL_STAGE
    assert any(mount.endswith(f":{STATE}") for mount in SERVICES["worker"]["volumes"])


def test_the_health_port_is_one_everywhere() -> None:
    port = Settings.model_fields["health_port"].default
    assert f"EXPOSE {port}\n" in FINAL_STAGE
    assert f"ROUNDBATCH_HEALTH_PORT={port}\n" in FINAL_STAGE
    assert f"http://127.0.0.1:{port}/healthz" in FINAL_STAGE
    assert SERVICES["worker"]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_settings_in_the_files_exist() -> None:
    named = set(re.findall(r"ROUNDBATCH_([A-Z_]+)[=:]", DOCKERFILE)) | {
        name.removeprefix("ROUNDBATCH_") for name in SERVICES["worker"]["environment"] if name.startswith("ROUNDBATCH_")
    }
    assert {name.lower() for name in named} <= set(Settings.model_fields)


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_loopback_only(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service]["ports"])


@pytest.mark.parametrize("service", ["kafka", "simulator"])
def test_the_worker_waits_until_it_is_healthy(service: str) -> None:
    assert SERVICES["worker"]["depends_on"][service] == {"condition": "service_healthy"}
    assert SERVICES[service]["healthcheck"]["test"]


def test_kafka_is_the_one_that_the_tests_use() -> None:
    assert SERVICES["kafka"]["image"] == PUBLISHED


def test_kafka_is_advertised_where_the_worker_and_the_machine_reach_it() -> None:
    environment = SERVICES["kafka"]["environment"]
    inside = SERVICES["worker"]["environment"]["KAFKA_BOOTSTRAP_SERVERS"]
    (published,) = SERVICES["kafka"]["ports"]
    outside = published.rpartition(":")[0]
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"INTERNAL://{inside},HOST://{outside}"


def test_the_worker_asks_the_simulator_unless_told_otherwise() -> None:
    command = SERVICES["simulator"]["command"]
    port = command[command.index("--port") + 1]
    environment = SERVICES["worker"]["environment"]
    assert environment["ANTHROPIC_BASE_URL"] == f"${{ANTHROPIC_BASE_URL:-http://simulator:{port}}}"
    # OpenAI's SDK puts its paths behind the version, Anthropic's brings its own.
    assert environment["OPENAI_BASE_URL"] == f"${{OPENAI_BASE_URL:-http://simulator:{port}/v1}}"
