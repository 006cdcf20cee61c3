"""What the Dockerfile, the compose file, the locks, the settings and pyproject.toml must agree on."""

import ast
import functools
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from agents import worker
from agents.status.endpoints import PAGE
from cli import packages as own_packages
from demo.services import PATHS
from domain.providers import PROVIDERS
from settings.env import fields, variable_of
from settings.settings import Settings, load_settings
from tests.brokers.image import PUBLISHED
from tests.waiting import LIMIT_S

CHECKOUT = Path(__file__).resolve().parents[3]
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
FINAL_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.kafka.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STATE = "/var/lib/roundbatch"
GATEWAY = Settings().gateway


def packages() -> list[str]:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    return [name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]]


# It reads the metadata of every package that is installed: 0.4 s each time.
packages_distributions = functools.cache(importlib.metadata.packages_distributions)


def stage(name: str) -> str:
    """The Dockerfile's lines of one stage."""
    (found,) = re.findall(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    return str(found)


def locked(file: str) -> dict[str, str]:
    """Package → version of a lock."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (CHECKOUT / file).read_text(), re.MULTILINE))


def imported(folder: str) -> set[str]:
    """The top-level modules that a package of ours imports, at its modules' tops and inside functions."""
    names: set[str] = set()
    for file in (CHECKOUT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names


def distributions_of(modules: set[str]) -> set[str]:
    """The packages that bring modules, as a lock names them."""
    there = packages_distributions()
    return {re.sub(r"[-_.]+", "-", name).lower() for module in modules for name in there[module]}


def test_the_image_holds_what_the_worker_needs_and_no_other_package_of_ours() -> None:
    copied = re.findall(r"^COPY (\w+) \1$", stage("wheel"), re.MULTILINE)
    assert set(copied) == {"cli", *own_packages.WORKER}
    assert re.findall(r"^COPY (\w+) \1$", stage("simulator-wheel"), re.MULTILINE) == ["simulator"]
    let_through = re.findall(r"^!(\w+)$", (CHECKOUT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(let_through) == sorted([*copied, "simulator"])
    assert {"cli", *own_packages.OWN} == set(packages())


def test_every_copied_file_is_let_through() -> None:
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    copied = [name for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]
    assert copied
    assert {f"!{name}" for name in copied} <= set(ignored)


def test_what_runs_imports_nothing_that_the_lock_for_running_leaves_out() -> None:
    """Read from the sources, for most commands import what they need inside their function."""
    ours = {"cli", *own_packages.OWN}
    for folder in ("cli", *own_packages.WORKER):
        needed = imported(folder) - ours
        missing = distributions_of(needed) - set(locked("requirements.lock"))
        assert not missing, f"{folder} imports from {missing}"


def test_the_worker_starts_with_the_packages_of_the_lock_for_running_alone() -> None:
    """What they import in turn too: everything that the lock leaves out cannot be imported in this process."""
    there = packages_distributions()
    lock = set(locked("requirements.lock")) | {"roundbatch", "pip", "setuptools"}
    left_out = {module for module in there if not distributions_of({module}) & lock} | set(own_packages.OPTIONAL)
    assert {"pytest", "scipy", "python_multipart", "kubernetes_validate"} <= left_out
    script = f"""
import importlib, json, pathlib, sys

class LeftOut:
    def find_spec(self, name, path=None, target=None):
        if name in {left_out!r}:
            raise ModuleNotFoundError(f"{{name}} is not in requirements.lock", name=name)

sys.meta_path.insert(0, LeftOut())
for folder in {("cli", *own_packages.WORKER)!r}:
    for file in sorted(pathlib.Path(folder).rglob("*.py")):
        module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        if module not in ("cli.__main__", "cli.processes_end"):
            importlib.import_module(module)
from agents.wiring import open_edges
from agents.worker import Worker
from settings.settings import load_settings
settings = load_settings({{"ROUNDBATCH_STATE_DIR": sys.argv[1]}})
print(json.dumps(type(Worker(settings, open_edges(settings))).__name__))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, "/nonexistent"], cwd=CHECKOUT, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == "Worker"


def test_both_locks_name_the_same_versions() -> None:
    run, work = locked("requirements.lock"), locked("requirements-dev.lock")
    assert run.items() < work.items()


@pytest.mark.parametrize(("command", "folders"), [("simulator", ["simulator"]), ("demo", ["demo", "simulator"])])
def test_a_command_that_needs_more_than_the_worker_knows_what(command: str, folders: list[str]) -> None:
    ours = {"cli", *own_packages.OWN}
    needed = distributions_of({name for folder in folders for name in imported(folder)} - ours) - set(
        locked("requirements.lock")
    )
    named = distributions_of(set(own_packages.EXTRA[command]) - ours)
    # Starlette imports python_multipart itself where a form is read; scipy and matplotlib bring numpy.
    assert named - {"python-multipart"} == needed - {"numpy"}


def run_lines(name: str) -> list[str]:
    """The commands of a stage's RUN instructions, one each."""
    runs = re.findall(r"^RUN ((?:.*\\\n)*.*)$", stage(name), re.MULTILINE)
    return [part.strip() for run in runs for part in run.replace("\\\n", " ").split("&&")]


@pytest.mark.parametrize(("file", "names"), [("build.lock", {"setuptools"}), ("simulator.lock", {"python-multipart"})])
def test_what_a_stage_takes_out_of_the_lock_is_that_with_hashes(tmp_path: Path, file: str, names: set[str]) -> None:
    (command,) = [line for line in run_lines("wheel") if line.startswith("awk") and line.endswith(f">{file}")]
    (tmp_path / "requirements-dev.lock").symlink_to(CHECKOUT / "requirements-dev.lock")
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=LIMIT_S)
    cut = (tmp_path / file).read_text()
    assert set(re.findall(r"^([a-z0-9-]+)==", cut, re.MULTILINE)) == names
    assert cut.count("--hash=sha256:") >= 2 * len(names)


def test_the_simulators_image_has_all_that_it_needs() -> None:
    (command,) = [line for line in run_lines("wheel") if line.endswith(">simulator.lock")]
    needed = distributions_of(set(own_packages.EXTRA["simulator"]) - {"simulator"})
    assert all(name in command for name in needed)


def test_what_is_no_python_is_installed_too() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    assert PAGE.name in project["tool"]["setuptools"]["package-data"][".".join(PAGE.parent.relative_to(CHECKOUT).parts)]


@pytest.mark.parametrize("name", ["environment", "wheel", "simulator-environment"])
def test_an_image_installs_by_hash(name: str) -> None:
    installs = [line for line in run_lines(name) if "install" in line and "-r " in line]
    assert installs
    assert all("--require-hashes" in line and "--no-cache-dir" in line for line in installs)


def test_the_image_installs_the_lock_for_running() -> None:
    assert any(line.endswith("-r requirements.lock") for line in run_lines("environment"))
    assert "COPY requirements-dev.lock" not in stage("environment") + stage("base") + stage("worker")


def test_the_image_runs_the_worker_as_nobody_in_particular() -> None:
    (user,) = re.findall(r"^USER (.+)$", stage("base"), re.MULTILINE)
    uid, gid = user.split(":")
    assert int(uid) > 0
    assert gid == "0", "OpenShift runs a container under any uid, in group 0"
    assert f"--uid {uid} --gid {gid} " in stage("base")
    assert re.search(r'^ENTRYPOINT \["roundbatch"\]$', stage("base"), re.MULTILINE)
    assert FINAL_STAGE.startswith("\nFROM base AS worker\n")
    assert re.search(r'^CMD \["worker"\]$', FINAL_STAGE, re.MULTILINE)


def test_the_state_is_on_the_volume_that_the_user_and_group_0_own() -> None:
    assert f"ROUNDBATCH_STATE_DIR={STATE} " in FINAL_STAGE
    assert re.search(rf"^VOLUME {STATE}$", FINAL_STAGE, re.MULTILINE)
    assert f"install --directory --owner 10001 --group 0 --mode 2775 {STATE}" in run_lines("base")
    assert any(mount.endswith(f":{STATE}") for mount in SERVICES["worker"]["volumes"])


def test_the_health_port_is_one_everywhere() -> None:
    port = Settings.model_fields["health_port"].default
    assert f"EXPOSE {port}\n" in FINAL_STAGE
    assert f"ROUNDBATCH_HEALTH_PORT={port} " in FINAL_STAGE
    assert GATEWAY.port == port, "the image's health check asks the gateway too"
    assert re.search(
        r'CMD curl .*--max-time 4 "http://127.0.0.1:\$\{ROUNDBATCH_HEALTH_PORT\}/healthz"$', FINAL_STAGE, re.MULTILINE
    )
    assert any(line.endswith("--no-install-recommends curl") for line in run_lines("base"))
    assert SERVICES["worker"]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_a_stopped_worker_has_the_time_that_its_stop_may_take() -> None:
    longest_s = Settings.model_fields["shutdown_timeout_s"].default + worker.EXIT_HARD_S
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > longest_s


def test_each_service_is_the_image_that_holds_its_command() -> None:
    assert SERVICES["simulator"]["build"] == {"context": ".", "target": "simulator"}
    assert SERVICES["worker"]["build"] == "."
    assert SERVICES["simulator"]["image"] != SERVICES["worker"]["image"]


def test_settings_in_the_files_exist() -> None:
    named = set(re.findall(r"(ROUNDBATCH_[A-Z_]+)[=:]", DOCKERFILE))
    for service in ("worker", "gateway"):
        named |= {name for name in SERVICES[service]["environment"] if name.startswith("ROUNDBATCH_")}
    assert named <= {variable_of(path) for path, _ in fields(Settings)}


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_loopback_only(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service]["ports"])


@pytest.mark.parametrize("service", ["kafka", "simulator"])
def test_the_worker_waits_until_it_is_healthy(service: str) -> None:
    assert SERVICES["worker"]["depends_on"][service] == {"condition": "service_healthy"}
    assert SERVICES[service]["healthcheck"]["test"]


def test_the_gateway_stands_where_cj_looks_for_the_old_service() -> None:
    gateway, worker = SERVICES["gateway"], SERVICES["worker"]
    assert (gateway["image"], gateway["build"]) == (worker["image"], worker["build"])
    assert gateway["networks"]["default"]["aliases"] == ["llm_provider_service"]
    (port,) = gateway["ports"]
    assert port.endswith(f":{GATEWAY.port}")
    assert "ROUNDBATCH_GATEWAY__HOST=0.0.0.0\n" in FINAL_STAGE


def test_no_two_services_take_one_port_of_the_machine() -> None:
    taken = [port.rpartition(":")[0] for service in SERVICES.values() for port in service["ports"]]
    assert len(taken) == len(set(taken))


def test_the_gateway_is_healthy_as_cjs_compose_file_asks_it() -> None:
    """By `curl` within the container. It waits for Kafka and not for a worker: what is posted waits in the topic."""
    check = SERVICES["gateway"]["healthcheck"]
    assert check["test"] == ["CMD", "curl", "-f", f"http://localhost:{GATEWAY.port}/healthz"]
    assert (check["interval"], check["timeout"], check["retries"], check["start_period"]) == ("15s", "5s", 3, "20s")
    assert SERVICES["gateway"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}


def test_the_gateway_has_the_workers_kafka_and_no_key() -> None:
    environment = SERVICES["gateway"]["environment"]
    assert environment.items() <= SERVICES["worker"]["environment"].items()
    assert "KAFKA_BOOTSTRAP_SERVERS" in environment
    assert not any("API_KEY" in name for name in environment)


def test_a_stopped_gateway_has_the_time_that_a_post_may_be_held() -> None:
    assert int(SERVICES["gateway"]["stop_grace_period"].removesuffix("s")) >= GATEWAY.hold_s + 10


def test_prometheus_scrapes_each_of_them_where_it_is() -> None:
    scraped = yaml.safe_load((CHECKOUT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scraped}
    port = Settings.model_fields["health_port"].default
    assert targets == {"roundbatch": [f"worker:{port}"], "roundbatch-gateway": [f"gateway:{GATEWAY.port}"]}


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
    for name in ("GOOGLE", "OPENROUTER"):
        url = f"http://simulator:{port}{PATHS[name.lower()]}"
        assert environment[f"ROUNDBATCH_{name}__BASE_URL"] == f"${{{name}_BASE_URL:-{url}}}"


def test_the_worker_starts_with_what_the_compose_file_gives_it() -> None:
    """Each variable at its default, as where nothing is set."""
    given = SERVICES["worker"]["environment"]
    settings = load_settings({name: re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", value) for name, value in given.items()})
    assert settings.configured_providers == tuple(name for name, row in PROVIDERS.items() if row.needs_key)
    assert settings.warnings == ()
