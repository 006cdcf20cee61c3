"""Settings: defaults, sources, refusals in one line, and what follows from them."""

from pathlib import Path

import pydantic
import pytest

from settings.settings import DAY_S, Settings, UnusableSettings, load_settings

KEY = "sk-ant-0123456789-wxyz"


def refusal(**env: str) -> str:
    with pytest.raises(UnusableSettings) as caught:
        load_settings(env)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_defaults_are_usable_and_warn_of_missing_keys() -> None:
    settings = load_settings({})
    assert settings == Settings()
    assert settings.configured_providers == ()
    assert len(settings.warnings) == 1
    assert "ROUNDBATCH_ANTHROPIC__API_KEY" in settings.warnings[0]


def test_variables_of_a_provider_are_nested() -> None:
    settings = load_settings({"ROUNDBATCH_ANTHROPIC__MODEL": "claude-opus-5-5", "ROUNDBATCH_OPENAI__MAX_JOB_ITEMS": "12"})
    assert settings.provider("anthropic").model == "claude-opus-5-5"
    assert settings.provider("openai").max_job_items == 12
    assert settings.provider("openai").model == "gpt-6-luna"


@pytest.mark.parametrize(
    ("bare", "prefixed", "path"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "ROUNDBATCH_KAFKA_BOOTSTRAP_SERVERS", "kafka_bootstrap_servers"),
        ("ANTHROPIC_BASE_URL", "ROUNDBATCH_ANTHROPIC__BASE_URL", "anthropic.base_url"),
        ("OPENAI_BASE_URL", "ROUNDBATCH_OPENAI__BASE_URL", "openai.base_url"),
    ],
)
def test_bare_names_are_taken_and_prefixed_ones_win(bare: str, prefixed: str, path: str) -> None:
    def value(env: dict[str, str]) -> object:
        found: object = load_settings(env)
        for name in path.split("."):
            found = getattr(found, name)
        return found

    one, two = ("a:1", "b:2") if "KAFKA" in bare else ("http://a/v1", "http://b/v1")
    assert value({bare: one}) == one
    assert value({bare: one, prefixed: two}) == two
    assert value({bare: one, prefixed: ""}) == one


def test_bare_keys_configure_their_provider() -> None:
    settings = load_settings({"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": " sk-two\n"})
    assert settings.configured_providers == ("anthropic", "openai")
    assert settings.warnings == ()
    key = settings.provider("openai").api_key
    assert key is not None
    assert key.get_secret_value() == "sk-two"


def test_a_default_provider_without_key_is_warned_of() -> None:
    (warning,) = load_settings({"OPENAI_API_KEY": KEY}).warnings
    assert "ROUNDBATCH_ANTHROPIC__API_KEY" in warning


def test_a_default_provider_that_is_off_is_warned_of_by_the_setting_that_allows_it() -> None:
    (warning,) = load_settings({"OPENAI_API_KEY": KEY, "ROUNDBATCH_DEFAULT_PROVIDER": "mock"}).warnings
    assert "is off" in warning
    assert warning.endswith("until ROUNDBATCH_MOCK__ENABLED is true")


@pytest.mark.parametrize("given", ["a.v1, b.v1", '["a.v1", "b.v1"]', "a.v1,b.v1,"])
def test_callback_topics_are_comma_separated_or_json(given: str) -> None:
    assert load_settings({"ROUNDBATCH_ALLOWED_CALLBACK_TOPICS": given}).allowed_callback_topics == ("a.v1", "b.v1")


def test_empty_variables_count_as_not_set() -> None:
    assert load_settings({"ROUNDBATCH_PARTITIONS": "", "ANTHROPIC_API_KEY": " "}) == Settings()


def test_other_programs_variables_are_left_alone() -> None:
    assert load_settings({"PARTITIONS": "x", "ROUNDBATCH_CRASH_AT": "a", "ROUNDBATCH_LIVE": "1"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("ROUNDBATCH_PARTITIONS", "0", "greater than or equal to 1"),
        ("ROUNDBATCH_PARTITIONS", "many", "valid integer"),
        ("ROUNDBATCH_LONGEST_WAIT_S", "0", "greater than 0"),
        ("ROUNDBATCH_LONGEST_WAIT_S", "inf", "finite number"),
        ("ROUNDBATCH_LONGEST_WAIT_S", "nan", "finite number"),
        ("ROUNDBATCH_TESTING__EMBEDDED_BROKER", "maybe", "valid boolean"),
        ("ROUNDBATCH_HEALTH_PORT", "70000", "less than or equal to 65535"),
        ("ROUNDBATCH_LOG_LEVEL", "loud", "'INFO'"),
        ("ROUNDBATCH_DEFAULT_PROVIDER", "aleph", "anthropic, openai"),
        ("ROUNDBATCH_LLM_BATCHING_STRATEGY", "hourly", "per_round"),
        ("ROUNDBATCH_OPENAI__LLM_BATCHING_STRATEGY", "hourly", "per_request"),
        ("ROUNDBATCH_OPENAI__MAX_JOB_ITEMS", "10001", "less than or equal to 10000"),
        ("ROUNDBATCH_OPENAI__MAX_JOB_BYTES", "200000000", "below the provider's own limit of 200,000,000"),
        ("ROUNDBATCH_ANTHROPIC__MAX_JOB_BYTES", "256000000", "below the provider's own limit of 256,000,000"),
        ("ROUNDBATCH_ANTHROPIC__BASE_URL", "127.0.0.1:80", "http://HOST"),
        ("OPENAI_BASE_URL", "ftp://host", "http://HOST"),
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka://host:9092", "host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "host:99999", "host:port"),
        ("ROUNDBATCH_REQUEST_TOPIC", "has space", "a-z A-Z 0-9"),
        ("ROUNDBATCH_WORK_TOPIC", "w" * 246, "1 to 245"),
        ("ROUNDBATCH_ALLOWED_CALLBACK_TOPICS", ",", "at least 1 item"),
        ("ROUNDBATCH_ALLOWED_CALLBACK_TOPICS", '["a"', "JSON list"),
    ],
)
def test_a_refusal_names_variable_value_and_what_is_allowed(name: str, value: str, allowed: str) -> None:
    message = refusal(**{name: value})
    assert message.startswith(f"{name}={value[:80]!r}"[:60])
    assert allowed in message


@pytest.mark.parametrize(
    ("env", "parts"),
    [
        ({"ROUNDBATCH_QUIET_S": "31"}, ["ROUNDBATCH_QUIET_S=31", "at most ROUNDBATCH_WINDOW_AGE_S=30"]),
        ({"ROUNDBATCH_BACKOFF_FIRST_S": "901"}, ["ROUNDBATCH_BACKOFF_FIRST_S=901", "ROUNDBATCH_BACKOFF_MAX_S=900"]),
        (
            {"ROUNDBATCH_TESTING__CREATE_TIMEOUT_S": "130"},
            [
                "ROUNDBATCH_TESTING__CREATE_TIMEOUT_S=130 must be below ROUNDBATCH_TESTING__START_WITHIN_S=130: "
                "lower it, or raise the other"
            ],
        ),
        ({"ROUNDBATCH_WATCHDOG_S": "9"}, ["ROUNDBATCH_WATCHDOG_S=9", "0 (never) or at least 60"]),
        ({"ROUNDBATCH_MAX_INFLIGHT_BYTES": "50000000"}, ["ROUNDBATCH_OPENAI__MAX_JOB_BYTES=104857600", "50000000"]),
        ({"ROUNDBATCH_ANTHROPIC__POLL_FIRST_S": "301"}, ["ROUNDBATCH_ANTHROPIC__POLL_FIRST_S=301", "POLL_MAX_S=300"]),
        ({"ROUNDBATCH_WORK_TOPIC": "same", "ROUNDBATCH_REQUEST_TOPIC": "same"}, ["ROUNDBATCH_WORK_TOPIC=same", "must differ"]),
    ],
)
def test_fields_that_disagree_are_named_with_their_values(env: dict[str, str], parts: list[str]) -> None:
    message = refusal(**env)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    "topic",
    [
        "huleedu.llm_provider.comparison_requested.v1",
        "huleedu.llm_provider.comparison_requested.v1.DLQ",
        "roundbatch.work",
        "roundbatch-jobs-changelog",
    ],
)
def test_results_cannot_be_written_to_a_topic_of_the_workers_own(topic: str) -> None:
    assert topic in refusal(ROUNDBATCH_ALLOWED_CALLBACK_TOPICS=f"good,{topic}")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ROUNDBATCH_PARTITONS", "ROUNDBATCH_PARTITIONS"),
        ("ROUNDBATCH_ANTHROPIC_API_KEY", "ROUNDBATCH_ANTHROPIC__API_KEY"),
        ("ROUNDBATCH_BATCHING_STRATEGY", "ROUNDBATCH_LLM_BATCHING_STRATEGY"),
        ("roundbatch_app_id", "ROUNDBATCH_APP_ID"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(name: str, near: str) -> None:
    assert f"did you mean {near}?" in refusal(**{name: KEY})


def test_a_name_like_no_other_is_refused_too() -> None:
    assert "docs/configuration.md" in refusal(ROUNDBATCH_XYZZY="1")


@pytest.mark.parametrize("name", ["ROUNDBATCH_ANTHROPIC__API_KEY", "OPENAI_API_KEY", "ROUNDBATCH_ANTHROPIC_API_KEY"])
def test_a_secret_is_never_in_a_refusal(name: str) -> None:
    assert "0123456789" not in refusal(**{name: f"{KEY} {KEY}"})


def test_a_password_in_a_base_url_is_refused() -> None:
    assert "no password" in refusal(OPENAI_BASE_URL="http://me:pw@host/v1")


def test_several_faults_come_in_one_line() -> None:
    message = refusal(ROUNDBATCH_PARTITIONS="0", ROUNDBATCH_ATTEMPTS="0")
    assert "ROUNDBATCH_PARTITIONS='0'" in message
    assert "ROUNDBATCH_ATTEMPTS='0'" in message


def test_a_refusal_does_not_carry_pydantics_own_error() -> None:
    with pytest.raises(UnusableSettings) as caught:
        load_settings({"ROUNDBATCH_PARTITIONS": "0"})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_constructor_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDBATCH_PARTITIONS", "3")
    assert Settings().partitions == 8
    assert load_settings().partitions == 3


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(pydantic.ValidationError):
        settings.partitions = 9
    with pytest.raises(pydantic.ValidationError):
        settings.openai.model = "other"


def test_what_follows_from_the_settings() -> None:
    settings = Settings(app_id="rb", inbound_retention_s=100.0, longest_wait_s=50.0, nightly_longest_wait_s=40.0)
    assert settings.dedup_retention_s == 150.0 + DAY_S
    assert settings.changelog_topics == (
        "rb-rounds-changelog",
        "rb-requests-changelog",
        "rb-jobs-changelog",
        "rb-outcomes-changelog",
        "rb-audits-changelog",
    )
    assert settings.dlq_topic("a.v1") == "a.v1.DLQ"
    assert settings.state_dir == Path("build/state")


def test_a_providers_own_strategy_wins() -> None:
    settings = load_settings({"ROUNDBATCH_OPENAI__LLM_BATCHING_STRATEGY": "per_request"})
    assert settings.strategy_for("openai") == "per_request"
    assert settings.strategy_for("anthropic") == "per_round"
    with pytest.raises(KeyError):
        settings.strategy_for("aleph")


def nightly(**env: str) -> tuple[str, ...]:
    return load_settings({"ANTHROPIC_API_KEY": KEY, "ROUNDBATCH_ANTHROPIC__LLM_BATCHING_STRATEGY": "nightly", **env}).warnings


def test_a_wait_beyond_cjs_patience_is_warned_about() -> None:
    assert load_settings({"ANTHROPIC_API_KEY": KEY, "ROUNDBATCH_LONGEST_WAIT_S": "14399"}).warnings == ()
    (warning,) = load_settings({"ANTHROPIC_API_KEY": KEY, "ROUNDBATCH_LONGEST_WAIT_S": "14400"}).warnings
    assert "ROUNDBATCH_LONGEST_WAIT_S=14400" in warning
    assert "BATCH_TIMEOUT_HOURS" in warning


def test_the_nightly_wait_must_hold_the_longest_gap_and_a_batch() -> None:
    cron, wait = "ROUNDBATCH_ANTHROPIC__NIGHTLY_CRON", "ROUNDBATCH_NIGHTLY_LONGEST_WAIT_S"
    assert nightly() == ()
    assert nightly(ROUNDBATCH_ANTHROPIC__NIGHTLY_TIME_ZONE="Europe/Stockholm") == ()  # 25 h in one night
    (warning,) = nightly(**{cron: "0 1 * * 1-5"})
    assert f"{wait}=108000 does not fit {cron}='0 1 * * 1-5': up to 259200 s between two ticks" in warning
    assert "make 275400;" in warning
    assert nightly(**{cron: "0 1 * * 1-5", wait: "275400"}) == ()
    (warning,) = nightly(**{wait: "3600"})
    assert "make 102600;" in warning
    assert nightly(**{cron: "0 */2 * * *", wait: "24000"}) == ()
    assert load_settings({"ANTHROPIC_API_KEY": KEY, cron: "0 1 * * 1-5"}).warnings == ()  # no provider is nightly


@pytest.mark.parametrize("cron", ["*/3 * * * * *", "0 1 * * 1-5"])
def test_a_schedule_of_five_or_six_fields(cron: str) -> None:
    assert load_settings({"ROUNDBATCH_OPENAI__NIGHTLY_CRON": cron}).openai.nightly_cron == cron


@pytest.mark.parametrize("cron", ["* * * *", "0 0 1 * * * 2027", "0 25 * * *", "nightly", "0 1 30 2 *"])
def test_a_schedule_that_is_none_is_refused(cron: str) -> None:
    assert "ROUNDBATCH_OPENAI__NIGHTLY_CRON" in refusal(ROUNDBATCH_OPENAI__NIGHTLY_CRON=cron)


@pytest.mark.parametrize("strategy", ["per_round", "nightly"])
@pytest.mark.parametrize(
    "account",
    [
        {"OPENROUTER_API_KEY": "key"},
        {"OPENAI_API_KEY": "key", "ROUNDBATCH_OPENAI__BATCHES": "false"},
        {"ROUNDBATCH_MOCK__ENABLED": "true", "ROUNDBATCH_MOCK__LLM_BATCHING_STRATEGY": ""},
    ],
)
def test_a_strategy_of_batches_is_refused_where_none_are_taken(strategy: str, account: dict[str, str]) -> None:
    name = next(iter(account)).removeprefix("ROUNDBATCH_").partition("_")[0]
    own = f"ROUNDBATCH_{name}__LLM_BATCHING_STRATEGY"
    with pytest.raises(UnusableSettings, match=f"{name.lower()} takes no batch jobs.*{own} to serial_bundle or per_request"):
        load_settings(account | {own: strategy})
    if name != "MOCK":  # which has a strategy of its own by default
        with pytest.raises(UnusableSettings, match=f"{strategy} sends batch jobs"):
            load_settings(account | {"ROUNDBATCH_LLM_BATCHING_STRATEGY": strategy})
    for fit in ("serial_bundle", "per_request"):
        found = load_settings(account | {own: fit, "ROUNDBATCH_LLM_BATCHING_STRATEGY": strategy})
        assert found.strategy_for(name.lower()) == fit


def test_without_a_key_a_strategy_that_does_not_fit_refuses_nothing() -> None:
    assert "openrouter" not in load_settings({"ROUNDBATCH_LLM_BATCHING_STRATEGY": "per_round"}).configured_providers
