"""One grep for a round reads its life: every event that names a job names its rounds, and a round's end says how it ended."""

import ast
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from domain.partition.round_tallies import RoundTallies
from providers.protocol import AccountRefused
from streams.wire.request_events import round_event
from tests.model.world import CALLBACK, World

AGENTS = Path(__file__).parents[2] / "agents"


@pytest.fixture
def events() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def grep(events: list[Any], text: str) -> list[str]:
    """The names of the events at INFO and above in whose JSON this stands."""
    return [one["event"] for one in events if one["log_level"] != "debug" and text in json.dumps(one)]


@pytest.mark.parametrize(
    ("strategy", "life"),
    [
        ("per_round", ["round_opened", "window_closed", "job_submitted", "job_read", "round_ended"]),
        ("nightly", ["round_opened", "window_closed", "job_submitted", "job_read", "round_ended"]),
        ("per_request", ["round_opened", "window_closed", "job_called", "round_ended"]),
    ],
)
async def test_the_life_of_a_round_is_one_grep(world: World, events: list[Any], strategy: str, life: list[str]) -> None:
    worker = await world.start(llm_batching_strategy=strategy, openai={"nightly_cron": "* * * * *"})
    world.request("a0", "a1", batch="1")
    world.request("b0", "b1", batch="13")
    await world.finish(worker, seconds=180)

    assert grep(events, '"cj:1:0"') == life
    assert grep(events, '"cj:13:0"') == life
    opened, ended = (next(one for one in events if one["event"] == name) for name in ("round_opened", "round_ended"))
    assert (opened["round"], opened["parts"], opened["trace_id"]) == ("cj:1:0", 1, None)
    assert (ended["round"], ended["answered"]) == ("cj:1:0", 2)


async def test_what_goes_wrong_is_there_too(world: World, events: list[Any]) -> None:
    world.provider.refused.add("bad")
    world.provider.fates.append("timeout")
    worker = await world.start()
    world.request("a0", batch="1")
    await world.finish(worker, seconds=900, step_s=30)
    world.request("bad", "good", batch="1")
    await world.finish(worker)
    world.provider.refusal = AccountRefused("HTTP 401", "AUTHENTICATION_ERROR")
    world.request("late", batch="2")
    await world.finish(worker, seconds=13_000, step_s=300)
    world.check()

    found = grep(events, '"cj:1:0"')
    assert {"job_fate_unknown", "job_adopted", "job_not_done"} <= set(found)
    assert found.count("round_ended") == 2
    assert grep(events, '"cj:2:0"')[-2:] == ["deadlines_passed", "round_ended"]
    ends = [
        {key: one[key] for key in ("answered", "INVALID_REQUEST", "AUTHENTICATION_ERROR") if key in one}
        for one in events
        if one["event"] == "round_ended"
    ]
    assert ends == [{"answered": 1}, {"answered": 1, "INVALID_REQUEST": 1}, {"AUTHENTICATION_ERROR": 1}]


async def test_rejected_members_and_the_trace_are_found_by_the_round(world: World, events: list[Any]) -> None:
    worker = await world.start()
    bodies = [world._body(name, "7", None) for name in ("m0", "m1")]
    bodies[1]["user_prompt"] = 17
    trace_id = uuid.uuid4().hex
    record = json.loads(round_event(bodies))
    record["metadata"] = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    world.log.append(world.settings().request_topic, json.dumps(record).encode())
    await world.finish(worker)

    assert "dead_letter" in grep(events, '"cj:7:0"')
    assert next(one for one in events if one["event"] == "round_opened")["trace_id"] == trace_id
    assert world.log.read(CALLBACK)


async def test_after_a_restart_a_rounds_end_counts_all_of_it_and_is_told_once(world: World, events: list[Any]) -> None:
    worker = await world.start(llm_batching_strategy="per_request")
    world.request("m0", "m1", batch="1")
    await world.finish(worker)
    assert grep(events, "round_ended") == ["round_ended"]
    await world.kill(worker)
    await world.finish(await world.start(llm_batching_strategy="per_request"))
    assert grep(events, "round_ended") == ["round_ended"]


def test_every_event_that_names_a_job_names_its_rounds() -> None:
    """`job_id=` alone in a call of the log would be an event that the grep for its round does not find."""
    bare = []
    for path in sorted(AGENTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "log":
                named = {word.arg for word in node.keywords}
                if "job_id" in named and not named & {None, "round", "rounds"}:
                    bare.append(f"{path.name}:{node.lineno}")
    assert bare == []


def test_a_tally_counts_a_round_anew_after_its_end() -> None:
    tallies = RoundTallies()
    for _ in range(2):
        tallies.gather("r")
    tallies.gather("other")
    tallies.end("r", "answered")
    assert tallies.take_ended() == []
    tallies.end("r", "TIMEOUT")
    assert tallies.take_ended() == [("r", {"answered": 1, "TIMEOUT": 1})]
    assert tallies.take_ended() == []
    tallies.gather("r")
    tallies.end("r", "answered")
    assert tallies.take_ended() == [("r", {"answered": 1})]
