"""`roundbatch explain FILE`: what is predicted is what the worker's own decisions say."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import round_records
from cli.explain.forecast import Prediction, forecast, partition_of, reason, with_keys
from cli.main import app
from domain.reply import Usage
from domain.shadows import ANSWER_TOKENS
from providers.prices import LISTED
from settings.settings import Settings
from tests.harness.requests import CALLBACK, body

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
EXAMPLES = Path(__file__).parents[3] / "examples"


def settings(**fields: Any) -> Settings:
    keys: dict[str, Any] = {name: {"api_key": "key", **fields.pop(name, {})} for name in ("anthropic", "openai")}
    return Settings(**keys, **fields)


def predicted(bodies: list[dict[str, Any]], of: Settings) -> list[Prediction]:
    found = forecast(round_records.records(bodies, NOW), of, round(NOW.timestamp() * 1000))
    assert not found.not_asked
    return found.predictions


def bodies(count: int, provider: str = "openai", **more: Any) -> list[dict[str, Any]]:
    return [body(provider, callback_topic=CALLBACK, **more) for _ in range(count)]


def test_a_round_is_a_batch_job_at_half_the_price() -> None:
    (one,) = predicted(bodies(12), settings())
    assert (one.window, one.strategy, one.batch_jobs, one.calls, one.line_sizes) == ("cj:138:0", "per_round", 1, 0, {1: 12})
    assert (one.comparisons, one.closes) == (12, "the round is complete: all its parts have come")
    assert one.output_tokens == 12 * ANSWER_TOKENS
    assert one.cost_usd == pytest.approx((one.single_cost_usd or 0) / 2)
    assert one.cost_usd == pytest.approx(
        LISTED.cost_usd("openai", one.model, Usage(one.input_tokens, one.output_tokens), batch=True)
    )


def test_audits_are_told_beside_the_comparisons_and_none_where_essays_cannot_be_swapped() -> None:
    (plain,) = predicted(bodies(12), settings())
    (one,) = predicted(bodies(12), settings(audit={"share": 10}))
    assert (plain.audits, one.audits) == (0, 12)
    assert (one.cost_usd, one.input_tokens) == (plain.cost_usd, plain.input_tokens)
    assert one.audits_cost_usd == pytest.approx(2 * (one.cost_usd or 0), rel=0.02)
    (without,) = predicted([{**one, "prompt_blocks": None} for one in bodies(12)], settings(audit={"share": 10}))
    assert (without.audits, without.audits_cost_usd) == (0, 0)


def test_bundles_are_calls_of_several() -> None:
    (one,) = predicted(bodies(12), settings(llm_batching_strategy="serial_bundle", openai={"bundle_size": 5}))
    assert (one.batch_jobs, one.calls, one.line_sizes, one.transport) == (0, 3, {2: 1, 5: 2}, "call")


def test_a_hint_below_the_setting_makes_smaller_bundles() -> None:
    (one,) = predicted(bodies(12, size=3), settings(llm_batching_strategy="serial_bundle"))
    assert one.line_sizes == {3: 4}


def test_a_night_gathers_the_rounds_of_a_partition_and_is_told_with_its_next_tick() -> None:
    mine = settings(llm_batching_strategy="nightly", partitions=1)
    (one,) = predicted([*bodies(3, batch="a"), *bodies(4, batch="b")], mine)
    assert (one.rounds, one.comparisons, one.batch_jobs) == (["cj:a:0", "cj:b:0"], 7, 1)
    assert one.closes == "schedule '0 1 * * *' UTC, next 2026-11-25 01:00 UTC"


def test_partitions_are_those_of_the_default_partitioner() -> None:
    # Hashes of Kafka's own test (UtilsTest.testMurmur2): "21" -973932308, "foobar" -790332482.
    assert [partition_of(key, 8) for key in (b"21", b"foobar")] == [4, 6]
    mine = settings(llm_batching_strategy="nightly")
    found = predicted([*bodies(1, batch="foobar"), *bodies(1, batch="21")], mine)
    assert [(one.partition, one.rounds) for one in found] == [(4, ["cj:21:0"]), (6, ["cj:foobar:0"])]


def test_a_job_ends_at_the_limit() -> None:
    (one,) = predicted(bodies(10), settings(openai={"max_job_items": 4}))
    assert (one.batch_jobs, one.lines) == (3, 10)


def test_what_a_full_window_keeps_for_its_next_job_is_told_too() -> None:
    mine = settings(llm_batching_strategy="nightly", partitions=1, openai={"max_job_items": 4})
    full, kept = predicted(bodies(10), mine)
    assert (full.closes, full.batch_jobs, full.comparisons) == ("full: a job's limit is reached", 2, 8)
    assert (kept.batch_jobs, kept.comparisons, kept.closes.split()[0]) == (1, 2, "schedule")


def test_two_providers_of_a_round_are_told_apart() -> None:
    found = predicted([*bodies(2), *bodies(3, "anthropic")], settings())
    assert sorted((one.provider, one.comparisons) for one in found) == [("anthropic", 3), ("openai", 2)]


def test_a_model_without_a_price_makes_no_sum() -> None:
    (one,) = predicted(bodies(2, model="never-heard-of"), settings())
    assert (one.cost_usd, one.single_cost_usd) == (None, None)


def test_what_is_not_asked_is_said() -> None:
    first = body("openai", callback_topic=CALLBACK)
    wrong = [body("nobody", callback_topic=CALLBACK), body("openai", callback_topic="elsewhere")]
    found = forecast(round_records.records([first, first, *wrong], NOW), settings(), 0)
    assert [why.split(":")[0] for _, why in found.not_asked] == ["dead letter", "duplicate", "error event"]
    assert sum(one.comparisons for one in found.predictions) == 1


@pytest.mark.parametrize(
    ("mode", "fields", "said"),
    [
        (None, {}, "the default, per_round"),
        (None, {"llm_batching_strategy": "nightly"}, "ROUNDBATCH_LLM_BATCHING_STRATEGY=nightly"),
        (
            None,
            {"openai": {"llm_batching_strategy": "serial_bundle"}, "llm_batching_strategy": "nightly"},
            "ROUNDBATCH_OPENAI__LLM_BATCHING_STRATEGY=serial_bundle",
        ),
        ("per_request", {}, "cj_llm_batching_mode=per_request of the request"),
        ("provider_batch_api", {}, "cj_llm_batching_mode=provider_batch_api of the request, as the default, per_round"),
        (
            "per_request",
            {"honor_request_mode": False},
            "the default, per_round (cj_llm_batching_mode=per_request is not honoured: ROUNDBATCH_HONOR_REQUEST_MODE=false)",
        ),
        ("fast", {}, "the default, per_round (cj_llm_batching_mode=fast is no known mode)"),
        (["x"], {}, "the default, per_round (cj_llm_batching_mode=['x'] is no known mode)"),
    ],
)
def test_which_rule_decides(mode: object, fields: dict[str, Any], said: str) -> None:
    assert reason(mode, "openai", settings(**fields)) == said


def test_a_wish_for_a_batch_that_the_provider_does_not_take_is_told_in_words() -> None:
    calls = {"openrouter": {"api_key": "key", "llm_batching_strategy": "serial_bundle"}}
    said = reason("provider_batch_api", "openrouter", settings(**calls))
    assert said == (
        "ROUNDBATCH_OPENROUTER__LLM_BATCHING_STRATEGY=serial_bundle "
        "(cj_llm_batching_mode=provider_batch_api is not possible: openrouter takes no batch jobs)"
    )
    assert reason("per_request", "openrouter", settings(**calls)) == "cj_llm_batching_mode=per_request of the request"


def test_keys_are_not_needed() -> None:
    bare, missing = with_keys(Settings())
    assert (missing, bare.configured_providers) == (["anthropic", "openai", "google"], ("anthropic", "openai", "google"))


def test_the_command_prints_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    as_json = CliRunner().invoke(app, ["explain", str(EXAMPLES / "requests.jsonl"), "--json"])
    assert as_json.exit_code == 0
    shown = json.loads(as_json.stdout)
    assert [one["comparisons"] for one in shown["rounds"]] == [2, 2, 1]
    assert shown["providers_without_key"] == ["anthropic", "openai", "google"]
    table = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["explain", "-"], input=(EXAMPLES / "requests.jsonl").read_text())
    assert table.exit_code == 0
    assert "5 comparisons: about $0.000" in table.stdout
    cells = [[cell.strip() for cell in line.split("│")] for line in table.stdout.splitlines()]
    assert next([row[1], row[3]] for row in cells if "cj:138:0" in row) == ["cj:138:0", "1 batch job, 2 lines"]
    assert any(row[1] == "1 comparison" for row in cells if len(row) > 1)


def test_the_command_refuses_what_is_neither_file_nor_id() -> None:
    refused = CliRunner().invoke(app, ["explain", "no-such-file"])
    assert (refused.exit_code, refused.stderr) == (1, "no-such-file is no file and no correlation id (a UUID)\n")


def test_a_line_that_submit_would_refuse_is_an_error() -> None:
    refused = CliRunner().invoke(app, ["explain", "-"], input="{}\n")
    assert refused.exit_code == 1
    assert "line 1: correlation_id is no UUID" in refused.stderr
