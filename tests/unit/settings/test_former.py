"""Settings that were renamed or removed: what is still set is taken, or told in a line; never passed over in silence."""

from typing import Any

import pytest

from settings import former
from settings.env import entries, fields, variable_of
from settings.settings import Settings, UnusableSettings, load_settings

KEYS = {"ANTHROPIC_API_KEY": "key-a", "OPENAI_API_KEY": "key-o"}
BEFORE, TODAY = "ROUNDBATCH_START_WITHIN_S", "ROUNDBATCH_TESTING__START_WITHIN_S"


def test_a_former_name_fills_its_setting_and_is_told() -> None:
    settings = load_settings({**KEYS, BEFORE: "200"})
    assert settings.testing.start_within_s == 200
    (line,) = settings.warnings
    assert line == f"{BEFORE} is called {TODAY} now, and goes by the former name in this release only: rename it"
    assert {entry.variable: entry.source for entry in entries(settings, {BEFORE: "200"})}[TODAY] == BEFORE


def test_todays_name_wins_over_the_former_one() -> None:
    settings = load_settings({**KEYS, BEFORE: "200", TODAY: "150"})
    assert settings.testing.start_within_s == 150
    (line,) = settings.warnings
    assert "wins" in line


def test_an_empty_former_name_counts_as_not_set() -> None:
    assert load_settings({**KEYS, BEFORE: " ", "ROUNDBATCH_LINGER_MS": ""}).warnings == ()


def test_what_was_of_one_provider_is_of_all() -> None:
    before = "ROUNDBATCH_OPENAI__POLL_FACTOR"
    settings = load_settings({**KEYS, before: "3"})
    assert settings.polls("anthropic") == settings.polls("openai")
    assert settings.testing.poll_factor == 3
    (line,) = settings.warnings
    assert before in line
    assert "for all providers" in line


def test_two_former_names_of_one_setting_must_agree() -> None:
    both = ("ROUNDBATCH_ANTHROPIC__POLL_FACTOR", "ROUNDBATCH_OPENAI__POLL_FACTOR")
    assert load_settings(KEYS | dict.fromkeys(both, "2")).testing.poll_factor == 2
    with pytest.raises(UnusableSettings, match=r"__POLL_FACTOR='2' and .*__POLL_FACTOR='3' are one setting now"):
        load_settings(KEYS | dict(zip(both, "23", strict=True)))
    agreed = load_settings(KEYS | dict(zip(both, "23", strict=True)) | {"ROUNDBATCH_TESTING__POLL_FACTOR": "4"})
    assert agreed.testing.poll_factor == 4


def test_a_former_name_with_an_unusable_value_is_the_one_that_is_named() -> None:
    with pytest.raises(UnusableSettings, match=f"{BEFORE}='soon': must be a valid number"):
        load_settings({BEFORE: "soon"})


@pytest.mark.parametrize("name", former.FIXED)
def test_a_setting_that_is_fixed_now_is_told(name: str) -> None:
    (line,) = load_settings({**KEYS, name: "9"}).warnings
    assert line.startswith(f"{name} is no setting any more and does nothing: ")


def test_a_limit_that_openai_does_not_have_is_refused_with_its_reason() -> None:
    with pytest.raises(UnusableSettings, match="OpenAI has no limit of output tokens a minute"):
        load_settings({"ROUNDBATCH_OPENAI__OUTPUT_TOKENS_PER_MINUTE": "1000"})
    assert load_settings({"ROUNDBATCH_ANTHROPIC__OUTPUT_TOKENS_PER_MINUTE": "1000"}).anthropic.output_tokens_per_minute == 1000


#: Settings for tests that never had another name.
NEVER_RENAMED = {"ROUNDBATCH_TESTING__LOG_LOOK_S"}


def test_every_former_name_leads_to_a_setting_and_is_none_itself() -> None:
    known = {variable_of(path) for path, _ in fields(Settings)}
    for_tests = {name for name in known if name.startswith("ROUNDBATCH_TESTING__")}
    assert set(former.RENAMED.values()) == for_tests - NEVER_RENAMED
    assert for_tests >= NEVER_RENAMED
    assert known.isdisjoint([*former.RENAMED, *former.FIXED, *former.REFUSED])


@pytest.mark.parametrize(("session_s", "heartbeat_s"), [(30.0, 1.0), (300.0, 1.0), (3.0, 0.75), (2.0, 0.5)])
def test_heartbeats_follow_from_the_session(session_s: float, heartbeat_s: float) -> None:
    given: dict[str, Any] = {"broker_session_timeout_s": session_s}
    assert Settings(**given).broker_heartbeat_s == heartbeat_s
