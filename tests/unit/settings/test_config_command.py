"""`roundbatch config`, and the table in the documentation."""

import json
import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.config import EXIT_UNUSABLE, markdown_table
from cli.main import app
from settings import env as settings_env
from settings.settings import Settings

DOCS = Path(__file__).parents[3] / "docs" / "configuration.md"
KEY = "sk-ant-0123456789-wxyz"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name in [*settings_env.BARE_NAMES, *(name for name in os.environ if name.upper().startswith(settings_env.PREFIX))]:
        monkeypatch.delenv(name, raising=False)
    return CliRunner(env={"COLUMNS": "200"})


def test_every_setting_is_printed_with_value_and_source(run: CliRunner) -> None:
    result = run.invoke(app, ["config"], env={"KAFKA_BOOTSTRAP_SERVERS": "k:1", "ROUNDBATCH_APP_ID": "bold"})
    assert result.exit_code == 0
    for entry in settings_env.entries(Settings(), {}):
        assert entry.variable in result.stdout
    assert [line.split()[1::2] for line in result.stdout.splitlines() if "BOOTSTRAP" in line] == [
        ["ROUNDBATCH_KAFKA_BOOTSTRAP_SERVERS", "k:1", "KAFKA_BOOTSTRAP_SERVERS"]
    ]
    assert "warning: no provider has a key" in result.stderr


def test_in_a_pipe_no_name_is_broken(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a pipe has no width, so that grep finds whole lines; COLUMNS gives it one."""
    env = {"KAFKA_BOOTSTRAP_SERVERS": ",".join(f"broker-{number}.kafka.example:9092" for number in range(2))}
    narrow = run.invoke(app, ["config"], env={**env, "COLUMNS": "100"})
    assert {len(line) for line in narrow.stdout.splitlines() if "│" in line} == {100}
    run.env.pop("COLUMNS")
    monkeypatch.delenv("COLUMNS", raising=False)
    [line] = [line for line in run.invoke(app, ["config"], env=env).stdout.splitlines() if "BOOTSTRAP" in line]
    assert line.split()[1::2] == ["ROUNDBATCH_KAFKA_BOOTSTRAP_SERVERS", *env.values(), *env]


def test_json_holds_the_same(run: CliRunner) -> None:
    env = {"ROUNDBATCH_PARTITIONS": "3", "ANTHROPIC_API_KEY": KEY, "ROUNDBATCH_OPENAI__API_KEY": "short"}
    result = run.invoke(app, ["config", "--json"], env=env)
    found = {entry["name"]: (entry["value"], entry["source"]) for entry in json.loads(result.stdout)["settings"]}
    assert found["ROUNDBATCH_PARTITIONS"] == (3, "ROUNDBATCH_PARTITIONS")
    assert found["ROUNDBATCH_APP_ID"] == ("roundbatch", "default")
    assert found["ROUNDBATCH_STATE_DIR"] == ("build/state", "default")
    assert found["ROUNDBATCH_ALLOWED_CALLBACK_TOPICS"] == (["huleedu.llm_provider.comparison_result.v1"], "default")
    assert found["ROUNDBATCH_ANTHROPIC__API_KEY"] == ("set (…wxyz)", "ANTHROPIC_API_KEY")
    assert found["ROUNDBATCH_OPENAI__API_KEY"] == ("set", "ROUNDBATCH_OPENAI__API_KEY")
    assert json.loads(result.stdout)["warnings"] == []
    assert json.loads(result.stdout)["prices"]["list"].startswith("genai-prices ")


def test_the_price_list_is_named_and_a_model_without_a_price_warned_of(run: CliRunner) -> None:
    result = run.invoke(app, ["config"], env={"OPENAI_API_KEY": "key", "ROUNDBATCH_OPENAI__MODEL": "gpt-99-moon"})
    assert re.search(r"^prices: genai-prices \d.*, its newest price is of 20\d\d-\d\d-\d\d$", result.stdout, re.MULTILINE)
    assert "does not know the price of gpt-99-moon (openai)" in result.stderr
    assert result.exit_code == 0


@pytest.mark.parametrize("arguments", [["config"], ["config", "--json"]])
def test_no_secret_is_printed(run: CliRunner, arguments: list[str]) -> None:
    result = run.invoke(app, arguments, env={"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": KEY})
    assert result.exit_code == 0
    assert "0123456789" not in result.output


def test_an_unusable_setting_is_one_line_on_stderr_and_exit_78(run: CliRunner) -> None:
    result = run.invoke(app, ["config"], env={"ROUNDBATCH_PARTITIONS": "0"})
    assert result.exit_code == EXIT_UNUSABLE == 78
    assert result.stdout == ""
    assert result.stderr == "ROUNDBATCH_PARTITIONS='0': must be greater than or equal to 1\n"


def test_the_documentations_table_is_the_models() -> None:
    assert markdown_table() in DOCS.read_text(encoding="utf-8"), (
        "paste the output of `roundbatch config --markdown` into docs/configuration.md"
    )


def test_every_setting_has_a_description() -> None:
    assert [entry.variable for entry in settings_env.entries(Settings(), {}) if not entry.field.description] == []
