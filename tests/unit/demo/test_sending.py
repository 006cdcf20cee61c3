"""The demo's strategy and layout: what its worker is set to, and that its requests leave the strategy as it is."""

from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from cli import demo
from cli.main import app
from demo import run, services
from demo.sending import NIGHT_CRON, Sending
from domain.strategies import DEFAULT, STRATEGIES, choose
from settings.provider import ProviderSettings
from settings.settings import Settings, load_settings


def settings(sending: Sending) -> Settings:
    return load_settings(
        services.worker_settings(
            {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}, "http://127.0.0.1:8", services.EMBEDDED, Path("state"), sending
        )
    )


def test_every_strategy_and_layout_can_be_chosen() -> None:
    assert set(get_args(demo.Strategy)) == set(STRATEGIES)
    assert get_args(demo.Layout) == get_args(ProviderSettings.model_fields["bundle_layout"].annotation)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_the_worker_sends_by_the_strategy_whatever_the_requests_mode(strategy: str, provider: str) -> None:
    sending = Sending(strategy, "verbatim")
    found = settings(sending)
    assert found.strategy_for(provider) == strategy
    assert choose(strategy, sending.mode, honor_request_mode=found.honor_request_mode).name == strategy
    assert found.provider(provider).bundle_layout == "verbatim"
    assert found.warnings == ()


def test_a_night_is_a_schedule_of_the_settings() -> None:
    night, default = settings(Sending("nightly")), settings(Sending())
    assert {night.anthropic.nightly_cron, night.openai.nightly_cron} == {NIGHT_CRON}
    assert default.anthropic.nightly_cron == Settings().anthropic.nightly_cron


@pytest.mark.parametrize(
    ("options", "sending"),
    [
        ([], Sending(DEFAULT, "auto")),
        (["--strategy", "serial_bundle", "--layout", "shared_essays"], Sending("serial_bundle", "shared_essays")),
        (["--strategy", "nightly"], Sending("nightly", "auto")),
    ],
)
def test_the_commands_options(options: list[str], sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sending] = []

    def played(**given: Any) -> bool:
        asked.append(given["sending"])
        return True

    monkeypatch.setattr(run, "run", played)
    assert CliRunner().invoke(app, ["demo", *options]).exit_code == 0
    assert asked == [sending]


def test_an_unknown_strategy_is_refused() -> None:
    assert CliRunner().invoke(app, ["demo", "--strategy", "weekly"]).exit_code == 2


def test_make_passes_both_on() -> None:
    text = (Path(__file__).parents[3] / "Makefile").read_text(encoding="utf-8")
    assert f"STRATEGY ?= {DEFAULT}\nLAYOUT ?= auto\n" in text
    assert "roundbatch demo --strategy $(STRATEGY) --layout $(LAYOUT)" in text
