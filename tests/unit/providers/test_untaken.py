"""Which optional parameters a model does not take: by its family, and by what it refused."""

from collections import Counter

import pytest
import structlog

from domain.reply import Reply, ReplyKind
from providers.http.failures import HttpFailure
from providers.protocol import Ask, PromptBlock
from providers.untaken import Untaken, refused_field, takes_temperature

NOT = "Unsupported parameter: '{}' is not supported with this model."


@pytest.mark.parametrize(
    "model", ["gpt-4o", "gpt-4o-2024-11-20", "gpt-4.1-mini", "gpt-4", "gpt-3.5-turbo-0125", "gpt-oss-120b", "chatgpt-4o-latest"]
)
def test_models_that_do_not_reason_take_a_temperature(model: str) -> None:
    assert takes_temperature(model, None)
    assert takes_temperature(f"ft:{model}:org::id", None)


@pytest.mark.parametrize(
    "model", ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5-nano", "gpt-5-2025-08-07", "gpt-5-pro"]
)
def test_models_that_always_reason_take_none(model: str) -> None:
    assert not takes_temperature(model, None)
    assert not takes_temperature(f"openai/{model}", "low")


@pytest.mark.parametrize("model", ["gpt-5.1", "gpt-5.1-2025-11-13", "gpt-5.2", "gpt-5.4-mini"])
def test_models_that_reason_when_told_to_take_one_until_then(model: str) -> None:
    assert [takes_temperature(model, effort) for effort in (None, "none", "low", "high")] == [True, True, False, False]


@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.6-luna", "gpt-6-luna", "gpt-6.1-sol", "gpt-12"])
def test_models_that_reason_by_default_take_none_unless_told_not_to(model: str) -> None:
    assert [takes_temperature(model, effort) for effort in (None, "low", "none")] == [False, False, True]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (HttpFailure(400, code="unsupported_value", param="temperature"), "temperature"),
        (HttpFailure(400, code="unsupported_parameter", param="verbosity"), "output_verbosity"),
        (HttpFailure(422, code="unsupported_value", param="body.reasoning_effort"), "reasoning_effort"),
        (HttpFailure(400, message="Unrecognized request argument supplied: reasoning_effort"), "reasoning_effort"),
        (HttpFailure(400, message=NOT.format("temperature")), "temperature"),
        (HttpFailure(400, message=NOT.format("temperature"), param="temperature"), "temperature"),
        (HttpFailure(400, message="Invalid 'temperature': above maximum", param="temperature"), ""),
        (HttpFailure(400, code="unsupported_value", param="messages[0].role"), ""),
        (HttpFailure(400, message="could not parse the JSON body"), ""),
        (HttpFailure(404, code="unsupported_value", param="temperature"), ""),
    ],
)
def test_what_a_refusal_names(failure: HttpFailure, expected: str) -> None:
    assert refused_field(failure) == expected


def refusal(parameter: str, said: str = "not supported") -> Reply:
    return Reply("c", ReplyKind.ERRORED, error_message=said, parameter=parameter)


def ask(model: str = "m", temperature: float | None = 0.1, effort: str | None = "none") -> Ask:
    return Ask("c", model, "", (PromptBlock("p"),), 10, temperature=temperature, reasoning_effort=effort)


def test_what_was_refused_is_left_out_for_that_model_alone_and_counted() -> None:
    dropped: Counter[tuple[str, str]] = Counter()

    def on_dropped(parameter: str, model: str) -> None:
        dropped[parameter, model] += 1

    untaken = Untaken(on_dropped)
    assert untaken.fitted(ask()) == ask()
    untaken.learn("m", refusal(""))  # refused for something else
    assert untaken.fitted(ask()) == ask()
    untaken.learn("m", refusal("temperature"))
    assert untaken.fitted(ask()) == ask(temperature=None)
    assert untaken.fitted(ask("other")) == ask("other")
    assert dropped == {("temperature", "m"): 1}


def test_one_refused_effort_says_nothing_of_the_others() -> None:
    untaken = Untaken()
    untaken.learn("m", refusal("reasoning_effort", "'none' is not supported with the 'm' model. Supported values are: 'low'."))
    assert untaken.fitted(ask(effort="none")).reasoning_effort is None
    assert untaken.fitted(ask(effort="low")).reasoning_effort == "low"
    untaken.learn("m", refusal("reasoning_effort", NOT.format("reasoning_effort")))
    assert untaken.fitted(ask(effort="low")).reasoning_effort is None


def test_a_long_refusal_is_logged_by_its_beginning() -> None:
    with structlog.testing.capture_logs() as logs:
        Untaken().learn("m", refusal("temperature", "x" * 5000))
    assert [one["said"] for one in logs] == ["x" * 300]
