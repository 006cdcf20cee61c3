"""The demo's strategy and layout: what its worker is set to, and that its requests leave the strategy as it is."""

from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from cli import demo
from cli.main import app
from demo import run, services
from demo.sending import NIGHT_CRON, Sending
from domain.providers import PROVIDERS
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
@pytest.mark.parametrize("http", [False, True])
def test_the_worker_sends_by_the_strategy_whatever_the_requests_mode(strategy: str, provider: str, http: bool) -> None:
    sending = Sending(strategy, "verbatim", http)
    found = settings(sending)
    assert found.strategy_for(provider) == strategy
    assert choose(strategy, sending.mode, honor_request_mode=found.honor_request_mode).name == strategy
    assert found.provider(provider).bundle_layout == "verbatim"
    assert all("MOCK__ENABLED" in warning for warning in found.warnings)


def test_over_http_all_providers_of_the_contract_are_asked_at_the_simulator() -> None:
    sending = Sending(http=True)
    found = settings(sending)
    assert [judge.provider for judge in sending.judges] == list(PROVIDERS) == list(found.configured_providers)
    for judge in sending.judges:
        assert (
            found.provider(judge.provider).base_url != type(found.provider(judge.provider))().base_url
            or judge.provider == "mock"
        )
        assert PROVIDERS[judge.provider].refusal_of(judge.model) == ""


def test_the_gateway_is_given_kafka_and_topics_and_no_key() -> None:
    found = load_settings(services.gateway_settings({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}, services.OWN_KAFKA))
    worker = load_settings(
        services.worker_settings(
            {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"},
            "http://127.0.0.1:8",
            services.OWN_KAFKA,
            Path("state"),
            Sending(http=True),
        )
    )
    assert found.configured_providers == ()
    for name in ("kafka_bootstrap_servers", "request_topic", "allowed_callback_topics", "partitions"):
        assert getattr(found, name) == getattr(worker, name)


def test_a_night_is_a_schedule_of_the_settings() -> None:
    night, default = settings(Sending("nightly")), settings(Sending())
    assert {night.anthropic.nightly_cron, night.openai.nightly_cron} == {NIGHT_CRON}
    assert default.anthropic.nightly_cron == Settings().anthropic.nightly_cron


def test_nothing_is_audited_where_it_is_not_asked_for() -> None:
    assert (settings(Sending()).audit.share, settings(Sending(audit=10.0)).audit.share) == (0.0, 10.0)


@pytest.mark.parametrize(
    ("options", "sending"),
    [
        ([], Sending(DEFAULT, "auto")),
        (["--strategy", "serial_bundle", "--layout", "shared_essays"], Sending("serial_bundle", "shared_essays")),
        (["--strategy", "nightly"], Sending("nightly", "auto")),
        (["--cj", "http"], Sending(http=True)),
        (["--cj", "topic"], Sending()),
        (["--audit", "10"], Sending(audit=10.0)),
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


def test_make_passes_all_three_on() -> None:
    text = (Path(__file__).parents[3] / "Makefile").read_text(encoding="utf-8")
    assert f"STRATEGY ?= {DEFAULT}\nLAYOUT ?= auto\n" in text
    assert "\nCJ ?= topic\n" in text
    assert "roundbatch demo --strategy $(STRATEGY) --layout $(LAYOUT) --cj $(CJ)" in text
    assert "--audit $(AUDIT)" in text
