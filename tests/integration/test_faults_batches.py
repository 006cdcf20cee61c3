"""What goes wrong with batch jobs, at both providers: every request ends in one event, and nothing is paid twice.

One worker for all cases; each is a round of its own under `per_round`.
"""

import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.deployment import Deployment, deployment
from tests.harness.forked import forked_simulator
from tests.harness.refusals import NAMES_A_LINE

Events = dict[str, dict[str, Any]]
PROVIDERS = ("anthropic", "openai")
# Where a provider says "too many requests" is the same word in the design, but not the same status.
OVERLOADED = {"anthropic": 529, "openai": 503}


@pytest.fixture(scope="module")
def worked(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("batches")
    fast = {f"ROUNDBATCH_{name.upper()}__POLL_MAX_S": "0.2" for name in PROVIDERS}
    fast |= {"ROUNDBATCH_BACKOFF_FIRST_S": "0.1", "ROUNDBATCH_BACKOFF_MAX_S": "0.4"}
    with (
        forked_simulator(batch_duration_s=0.1, judge_error_rate=0.0, ledger=folder / "ledger.sqlite") as simulator,
        deployment(kafka, f"t-{uuid.uuid4().hex[:8]}", folder, simulator, **fast) as made,
    ):
        made.worker()
        yield made
        assert made.workers[0].stop() == 0


@pytest.fixture
def deployed(worked: Deployment) -> Iterator[Deployment]:
    """The shared worker; after each case the promises hold, and no fault is left for the next."""
    yield worked
    worked.simulator.clear_faults()
    worked.check_promises()
    assert set(worked.events_per_id().values()) == {1}
    assert worked.workers[0].process.poll() is None


def a_round(deployed: Deployment, provider: str, size: int, *markers: str) -> list[dict[str, Any]]:
    """A round of its own; the better essay is A and B in turn, so that rows given to the wrong member show."""
    batch = uuid.uuid4().hex[:8]
    padded = [*markers, *[""] * (size - len(markers))]
    bodies = [
        deployed.body(provider, batch=batch, marker=marker, quality=(0.9, 0.1) if place % 2 == 0 else (0.1, 0.9))
        for place, marker in enumerate(padded)
    ]
    deployed.send_round(bodies)
    return bodies


def outcomes(events: Events, bodies: list[dict[str, Any]]) -> list[str]:
    """The winner or the error's code of each body, in order."""
    found = [events[body["correlation_id"]]["data"] for body in bodies]
    return [data["winner"] or data["error_detail"]["error_code"] for data in found]


def modes(events: Events, bodies: list[dict[str, Any]]) -> Counter[str]:
    found = [events[body["correlation_id"]]["data"]["request_metadata"]["queue_processing_mode"] for body in bodies]
    return Counter(found)


def right(size: int) -> list[str]:
    """The winners of `a_round`."""
    return ["Essay A" if place % 2 == 0 else "Essay B" for place in range(size)]


def batches_of(deployed: Deployment, bodies: list[dict[str, Any]], since: int) -> list[int]:
    """The sizes of the batches made since, in the order of their creation; one round at a time is under way."""
    return [batch["items"] for batch in deployed.simulator.batches()[since:]]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_shuffled_rows_go_to_their_own_members(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    bodies = a_round(deployed, provider, 12)

    events = deployed.wait_answered()

    assert outcomes(events, bodies) == right(12)
    assert batches_of(deployed, bodies, since) == [12]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_expired_rows_are_asked_again_in_a_batch_of_their_own(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(fault="expired", next=5, provider=provider)
    bodies = a_round(deployed, provider, 8)

    events = deployed.wait_answered()

    assert outcomes(events, bodies) == right(8)
    assert batches_of(deployed, bodies, since) == [8, 5]
    assert modes(events, bodies) == {"batch_api": 8}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_few_missing_rows_are_asked_again_as_calls(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(fault="missing", next=2, provider=provider)
    bodies = a_round(deployed, provider, 8)

    events = deployed.wait_answered()

    assert outcomes(events, bodies) == right(8)
    assert batches_of(deployed, bodies, since) == [8]
    assert modes(events, bodies) == {"batch_api": 6, "per_request": 2}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_overloaded_rows_are_asked_again(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(fault="errored", next=4, provider=provider, status=529, error_type="overloaded_error")
    bodies = a_round(deployed, provider, 8)

    events = deployed.wait_answered()

    assert outcomes(events, bodies) == right(8)
    assert batches_of(deployed, bodies, since) == [8, 4]


def test_rows_of_status_zero_are_asked_again(deployed: Deployment) -> None:
    deployed.simulator.faults(fault="status_zero", next=2, provider="openai")
    bodies = a_round(deployed, "openai", 5)

    assert outcomes(deployed.wait_answered(), bodies) == right(5)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_row_that_is_refused_ends_alone(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    bodies = a_round(deployed, provider, 6, "", "[sim:400]")

    events = deployed.wait_answered()

    assert outcomes(events, bodies) == ["Essay A", "INVALID_REQUEST", *right(6)[2:]]
    assert batches_of(deployed, bodies, since) == [6]
    refused = events[bodies[1]["correlation_id"]]["data"]
    assert (refused["provider"], refused["winner"], refused["confidence"]) == (provider, None, None)
    assert refused["request_metadata"]["essay_a_id"] == bodies[1]["metadata"]["essay_a_id"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_that_stays_unusable_becomes_an_error_and_never_a_winner(deployed: Deployment, provider: str) -> None:
    before = deployed.simulator.ledger()["items_paid"]
    bodies = a_round(deployed, provider, 6, "[sim:refuse]", "[sim:invalid]", "[sim:error]", "[sim:expire]")

    events = deployed.wait_answered()

    # What expired in the batch is asked again by a call, which nothing lets expire.
    codes = ["INVALID_RESPONSE", "INVALID_RESPONSE", "EXTERNAL_SERVICE_ERROR", "Essay B"]
    assert outcomes(events, bodies) == [*codes, *right(6)[4:]]
    assert deployed.simulator.ledger()["items_paid"] - before == 3 + 3 + 0 + 1 + 2
    details = events[bodies[0]["correlation_id"]]["data"]["error_detail"]["details"]
    assert details["attempts"] == 3


@pytest.mark.parametrize("provider", PROVIDERS)
def test_text_that_is_no_json_becomes_a_parsing_error(deployed: Deployment, provider: str) -> None:
    deployed.simulator.faults(fault="invalid", variant="not_json", rate=1.0, provider=provider)
    bodies = a_round(deployed, provider, 2)

    assert outcomes(deployed.wait_answered(), bodies) == ["PARSING_ERROR"] * 2


@pytest.mark.parametrize("provider", PROVIDERS)
def test_answers_that_can_be_repaired_or_asked_again_are_answered(deployed: Deployment, provider: str) -> None:
    variants = ("winner_case", "justification_long", "confidence_zero", "confidence_nine", "key_missing", "not_json")
    deployed.simulator.faults(
        *({"fault": "invalid", "variant": variant, "next": 1, "provider": provider} for variant in variants),
        {"fault": "cut", "next": 1, "provider": provider},
        {"fault": "refused", "next": 1, "provider": provider},
    )
    bodies = a_round(deployed, provider, 10)

    events = deployed.wait_answered()

    assert outcomes(events, bodies) == right(10)
    assert max(len(events[body["correlation_id"]]["data"]["justification"]) for body in bodies) <= 500


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_job_that_is_not_visible_at_first_is_looked_at_again(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(fault="not_found", next=3, provider=provider)
    bodies = a_round(deployed, provider, 4)

    assert outcomes(deployed.wait_answered(), bodies) == right(4)
    assert batches_of(deployed, bodies, since) == [4]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_job_that_has_ended_before_its_results_are_there_is_waited_for(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(fault="file_late", next=3, provider=provider)
    bodies = a_round(deployed, provider, 4)

    assert outcomes(deployed.wait_answered(), bodies) == right(4)
    assert batches_of(deployed, bodies, since) == [4]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_polls_and_downloads_that_fail_are_repeated(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    results = "batches.results" if provider == "anthropic" else "files.content"
    deployed.simulator.faults(
        {"fault": "status", "status": 500, "next": 2, "provider": provider, "endpoint": "batches.retrieve"},
        {"fault": "status", "status": 429, "next": 1, "provider": provider, "endpoint": "batches.retrieve"},
        {"fault": "status", "status": 500, "next": 2, "provider": provider, "endpoint": results},
    )
    bodies = a_round(deployed, provider, 4)

    assert outcomes(deployed.wait_answered(), bodies) == right(4)
    assert batches_of(deployed, bodies, since) == [4]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("status", [429, "overloaded", 401, 400])  # 400: one that names no line
def test_a_create_that_is_refused_by_no_fault_of_the_content_is_tried_again_whole(
    deployed: Deployment, provider: str, status: int | str
) -> None:
    since = len(deployed.simulator.batches())
    number = OVERLOADED[provider] if status == "overloaded" else status
    fault = {"fault": "status", "status": number, "next": 2, "provider": provider, "endpoint": "batches.create"}
    if number == 503:
        fault["code"] = "slow_down"
    deployed.simulator.faults(fault)
    bodies = a_round(deployed, provider, 4)

    assert outcomes(deployed.wait_answered(), bodies) == right(4)
    assert batches_of(deployed, bodies, since) == [4]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_create_refused_by_content_goes_on_in_halves(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(**NAMES_A_LINE, next=1, provider=provider)
    bodies = a_round(deployed, provider, 5)

    assert outcomes(deployed.wait_answered(), bodies) == right(5)
    assert sorted(batches_of(deployed, bodies, since)) == [2, 3]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_members_whose_batches_are_refused_are_at_last_called_each_and_end_only_if_that_is_refused_too(
    deployed: Deployment, provider: str
) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(**NAMES_A_LINE, rate=1.0, provider=provider)
    bodies = a_round(deployed, provider, 3, "", "[sim:400]")

    assert outcomes(deployed.wait_answered(), bodies) == ["Essay A", "INVALID_REQUEST", *right(3)[2:]]
    assert batches_of(deployed, bodies, since) == []


def test_a_job_that_fails_validation_goes_on_in_halves(deployed: Deployment) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(fault="failed_validation", code="invalid_json_line", line=1, next=1)
    bodies = a_round(deployed, "openai", 4)

    assert outcomes(deployed.wait_answered(), bodies) == right(4)
    assert sorted(batches_of(deployed, bodies, since)[1:]) == [2, 2]


def test_validation_that_always_fails_ends_nobody_who_is_answered_alone(deployed: Deployment) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(fault="failed_validation", code="invalid_json_line", line=1, rate=1.0)
    bodies = a_round(deployed, "openai", 4)

    assert outcomes(deployed.wait_answered(), bodies) == right(4)
    assert len(batches_of(deployed, bodies, since)) == 1 + 2 + 4


@pytest.mark.parametrize("code", ["token_limit_exceeded", "server_error", "a code of next year"])
def test_validation_that_fails_by_no_fault_of_the_content_is_tried_again_whole(deployed: Deployment, code: str) -> None:
    since = len(deployed.simulator.batches())
    deployed.simulator.faults(fault="failed_validation", code=code, next=2)
    bodies = a_round(deployed, "openai", 4)

    assert outcomes(deployed.wait_answered(), bodies) == right(4)
    assert batches_of(deployed, bodies, since)[2:] == [4]


def test_an_input_file_that_is_not_known_yet_is_used_when_it_is(deployed: Deployment) -> None:
    since, before = len(deployed.simulator.batches()), len(deployed.simulator.calls())
    deployed.simulator.faults({"fault": "unknown_file", "next": 1}, {"fault": "file_gone", "next": 1})
    bodies = a_round(deployed, "openai", 4)

    assert outcomes(deployed.wait_answered(), bodies) == right(4)
    assert batches_of(deployed, bodies, since) == [4]
    asked = [call["endpoint"] for call in deployed.simulator.calls()[before:]]
    assert asked.count("files.create") == 2
    assert asked.count("batches.create") >= 3  # how often the file that is gone is asked for is a matter of time


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_download_that_ends_short_is_repeated_and_nothing_is_asked_again(deployed: Deployment, provider: str) -> None:
    since = len(deployed.simulator.batches())
    variants = ("empty", "half", "mid_line", "error_body")
    deployed.simulator.faults(
        *({"fault": "short_download", "variant": variant, "next": 1, "provider": provider} for variant in variants),
        {"fault": "elsewhere", "rate": 1.0},  # at Anthropic; its host does not exist
    )
    bodies = a_round(deployed, provider, 6)

    events = deployed.wait_answered()

    assert outcomes(events, bodies) == right(6)
    assert batches_of(deployed, bodies, since) == [6]
    assert modes(events, bodies) == {"batch_api": 6}


def test_a_record_of_two_rounds_two_providers_and_two_models_is_one_job_for_each(deployed: Deployment) -> None:
    since = len(deployed.simulator.batches())
    first, second = uuid.uuid4().hex[:8], uuid.uuid4().hex[:8]
    one = [deployed.body("anthropic", batch=first) for _ in range(3)]
    other_model = [deployed.body("anthropic", batch=first, model="claude-sonnet-5-5") for _ in range(2)]
    other_provider = [deployed.body("openai", batch=first) for _ in range(2)]
    other_round = [deployed.body("anthropic", batch=second) for _ in range(4)]
    by_itself = [deployed.body("anthropic", batch=first, mode="per_request")]
    bodies = [*one, *other_model, *other_provider, *other_round, *by_itself]
    deployed.send_round(bodies)

    events = deployed.wait_answered()

    assert outcomes(events, bodies) == ["Essay A"] * len(bodies)
    made = Counter((batch["provider"], batch["model"], batch["items"]) for batch in deployed.simulator.batches()[since:])
    assert made == {
        ("anthropic", "claude-haiku-5-5", 3): 1,
        ("anthropic", "claude-sonnet-5-5", 2): 1,
        ("openai", "gpt-6-luna", 2): 1,
        ("anthropic", "claude-haiku-5-5", 4): 1,
    }
    assert modes(events, by_itself) == {"per_request": 1}
    assert {events[body["correlation_id"]]["data"]["model"] for body in other_model} == {"claude-sonnet-5-5"}
