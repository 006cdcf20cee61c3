"""The page for who moves from the LLM Provider Service: its settings exist, its commands run, its compose file fits ours."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from typer.testing import CliRunner

from cli.main import app
from domain.strategies import STRATEGIES
from gateway import bodies
from settings.env import BARE_NAMES, fields, variable_of
from settings.settings import Settings, load_settings
from tests.waiting import LIMIT_S

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/migrating.md").read_text()
OURS: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.kafka.yml").read_text())["services"]
#: Settings of CJ's that the page names (services/cj_assessment_service/config.py), without their prefix.
OF_CJ = {
    "BATCH_TIMEOUT_HOURS",
    "ENABLE_LLM_BATCHING_METADATA_HINTS",
    "LLM_BATCHING_MODE",
    "LLM_BATCH_API_ALLOWED_PROVIDERS",
    "LLM_PROVIDER_CALLBACK_TOPIC",
    "LLM_PROVIDER_SERVICE_URL",
    "MAX_PAIRWISE_COMPARISONS",
}
#: Those of the service that goes away.
OF_THE_OLD = {"LLM_PROVIDER_SERVICE_OPENAI_API_KEY", "USE_MOCK_LLM"}


def blocks(language: str) -> list[str]:
    """The page's code of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def trial() -> dict[str, str]:
    """The variables of the page's env file."""
    (text,) = [block for block in blocks("sh") if block.startswith("# roundbatch.env")]
    return dict(line.replace("=…", "=key").split("=", 1) for line in text.splitlines() if not line.startswith("#"))


def compose() -> dict[str, Any]:
    """The services of the page's compose file."""
    (text,) = blocks("yaml")
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def test_the_trial_is_on_topics_of_its_own() -> None:
    settings, real = load_settings(trial()), Settings()
    assert settings.app_id != real.app_id
    assert {settings.request_topic, settings.work_topic, *settings.allowed_callback_topics}.isdisjoint(
        {real.request_topic, real.work_topic, *real.allowed_callback_topics}
    )
    assert settings.warnings == load_settings({name: trial()[name] for name in BARE_NAMES if name in trial()}).warnings


def test_without_its_last_four_lines_the_topics_are_the_real_ones() -> None:
    settings, real = load_settings(dict(list(trial().items())[:-4])), Settings()
    assert (settings.app_id, settings.request_topic, settings.work_topic, settings.allowed_callback_topics) == (
        real.app_id,
        real.request_topic,
        real.work_topic,
        real.allowed_callback_topics,
    )


def test_its_compose_file_starts_what_ours_does() -> None:
    services = compose()
    for name, ours in (("roundbatch_worker", OURS["worker"]), ("roundbatch_gateway", OURS["gateway"])):
        for key in ("image", "command", "restart", "stop_grace_period"):
            assert services[name][key] == ours[key]
    assert services["roundbatch_gateway"]["healthcheck"] == OURS["gateway"]["healthcheck"]
    assert services["roundbatch_gateway"]["ports"] == OURS["gateway"]["ports"]
    (volume,) = services["roundbatch_worker"]["volumes"]
    (own,) = OURS["worker"]["volumes"]
    assert volume.split(":")[1] == own.split(":")[1]


def test_the_sample_that_it_posts_is_taken_by_the_trial() -> None:
    (command,) = re.findall(r"^(sed -n '.*?examples/requests\.jsonl) \|$", PAGE, re.MULTILINE)
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, check=True, timeout=LIMIT_S)
    settings = load_settings(trial())
    taken = bodies.read(done.stdout, {"content-type": "application/json"}, settings.allowed_callback_topics)
    assert json.loads(taken.value)["data"]["callback_topic"] == settings.allowed_callback_topics[0]


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^roundbatch .+$", PAGE, re.MULTILINE))))
def test_its_commands_and_their_options_exist(line: str) -> None:
    name, *rest = line.split()[1:]
    said = CliRunner().invoke(app, [name, "--help"])
    assert said.exit_code == 0
    for option in (word for word in rest if word.startswith("--")):
        assert option in said.stdout


def test_the_settings_and_strategies_that_it_names_exist() -> None:
    known = {variable_of(path) for path, _ in fields(Settings)} | set(BARE_NAMES)
    known |= {name.removeprefix("ROUNDBATCH_") for name in known} | {
        re.sub(r"^ROUNDBATCH_[A-Z]+__", "…__", name) for name in known
    }
    known |= OF_CJ | {f"CJ_ASSESSMENT_SERVICE_{name}" for name in OF_CJ} | OF_THE_OLD
    text = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    named = {word.partition("=")[0] for word in re.findall(r"`([^`\s]+)`", text)}
    assert {name for name in named if re.fullmatch(r"(…__)?[A-Z][A-Z_]+", name)} - {"CJ_ASSESSMENT_SERVICE_"} <= known
    assert {name.removeprefix("CJ_ASSESSMENT_SERVICE_") for name in named} >= OF_CJ
    assert set(STRATEGIES) <= named
