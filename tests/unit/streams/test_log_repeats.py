"""Lines of the libraries' logs that repeat one another are told once, and counted."""

import json
import logging
from pathlib import Path

import pytest

from streams.log_repeats import QUIET_S, STILL_S, TEXTS, Repeats, kind_of

# What aiokafka and mode logged in a worker while one broker of three was away for a minute: texts, and [s, text, times].
CAPTURED = json.loads((Path(__file__).parents[2] / "examples/library_log_broker_away.json").read_text())
MINUTE = CAPTURED["one_broker_away_a_minute"]
NOT_READY = "NodeNotReadyError: Attempt to send a request to node which is not ready (node id 2)."


def told(repeats: Repeats, text: str, now_s: float = 0.0, *, logger: str = "aiokafka", level: int = logging.WARNING) -> bool:
    return repeats.is_new(logger, level, text, now_s)


def test_a_broker_away_for_a_minute_is_a_handful_of_lines() -> None:
    repeats = Repeats()
    first: list[str] = []
    ended: list[tuple[str, int]] = []
    count = 0
    for second, number, times in MINUTE["lines"]:
        logger, level, text = MINUTE["texts"][number]
        ended += [(one.message, one.left_out) for one in repeats.due(second)]
        for _ in range(times):
            count += 1
            if repeats.is_new(logger, logging.getLevelNamesMapping()[level.upper()], text, second):
                first.append(text)
    ended += [(one.message, one.left_out) for one in repeats.due(second + QUIET_S)]

    assert count == 337
    assert [text.partition(":")[0] for text in first] == [
        "Failed fetch messages from 2",
        "Marking the coordinator dead (node 2)for group t-cap.",
        "Heartbeat failed for group t-cap",
        "Marking the coordinator dead (node 3)for group t-cap.",
        "Timer commit is overlapping (interval=0.2 runtime=7.7906675469998845)",
    ]
    assert [left_out for _, left_out in ended] == [331, 1]
    assert len(first) + sum(left_out for _, left_out in ended) == count
    assert len(repeats) == 0


@pytest.mark.parametrize(
    "text",
    [
        "Unable connect to node with id 2: [Errno 111] Connection refused",
        "Unable connect to node with id 2: [Errno 111] Connect call failed ('127.0.0.1', 30898)",
        "Unable connect to node with id 2: ",  # asyncio's TimeoutError has no text
        "Unable to request metadata from node with id 2: KafkaConnectionError('Connection at 127.0.0.1:23042 closed')",
        "Failed fetch messages from 2: KafkaConnectionError: Connection at 127.0.0.1:30898 closed",
        f"Group Coordinator Request failed: {NOT_READY}",
        f"Got error produce response: {NOT_READY}",
    ],
)
def test_what_says_that_a_broker_cannot_be_reached_is_one_kind(text: str) -> None:
    assert kind_of("aiokafka.client", text) == ("aiokafka", "broker 2 cannot be reached")


@pytest.mark.parametrize(
    "text",
    [
        "Unable connect to node with id 3: [Errno 111] Connection refused",
        "Unable connect to node with id 2: [Errno 24] Too many open files",
        "Unable connect to node with id 2: [Errno -2] Name or service not known",
        "Unable connect to node with id 2: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1006)",
        "Unable connect to node with id 2: [Errno 104] [SSL] record layer failure",
        "Unable connect to node with id 2: AuthenticationFailedError: wrong password",
        "Failed fetch messages from 2: [Error 29] TopicAuthorizationFailedError",
        "Unable to update metadata from [1, 2]",
    ],
)
def test_what_says_something_else_is_told(text: str) -> None:
    repeats = Repeats()
    assert told(repeats, "Unable connect to node with id 2: [Errno 111] Connection refused")
    assert told(repeats, text)
    assert not told(repeats, text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Timer commit is overlapping (interval=0.2 runtime=7.79)", "Timer commit is overlapping (interval=0.2 runtime=0.56)"),
        ("Unable to update metadata from [2, 3]", "Unable to update metadata from [3, 2]"),
        (
            "produce TopicPartition(topic='t.result', partition=0), retrying. Error: NotLeader",
            "produce TopicPartition(topic='t.work', partition=1), retrying. Error: NotLeader",
        ),
    ],
)
def test_partitions_measured_times_and_an_order_make_no_new_kind(one: str, other: str) -> None:
    repeats = Repeats()
    assert told(repeats, one)
    assert not told(repeats, other, 1.0)
    (ended,) = repeats.due(1.0 + QUIET_S)
    assert (ended.left_out, ended.texts) == (1, {other: 1})


@pytest.mark.parametrize(
    "other",
    [
        "produce TopicPartition(topic='t.result', partition=0), retrying. Error: NotEnoughReplicas",
        "Connection at 10.0.0.2:9092 closed",
        "Topic t.work not found in cluster metadata",
    ],
)
def test_another_error_address_or_topic_is_a_new_kind(other: str) -> None:
    repeats = Repeats()
    for text in (
        "produce TopicPartition(topic='t.result', partition=0), retrying. Error: NotLeader",
        "Connection at 10.0.0.1:9092 closed",
        "Topic t.result not found in cluster metadata",
    ):
        assert told(repeats, text)
    assert told(repeats, other)


def test_a_kind_that_comes_again_after_its_end_is_told_again() -> None:
    repeats = Repeats()
    assert told(repeats, "x", 0.0)
    assert repeats.due(QUIET_S - 0.1) == []
    assert not told(repeats, "x", QUIET_S - 0.1)
    assert [one.left_out for one in repeats.due(2 * QUIET_S)] == [1]
    assert told(repeats, "x", 2 * QUIET_S)
    assert repeats.due(3 * QUIET_S) == []  # nothing was left out


def test_a_kind_that_goes_on_is_told_of_again() -> None:
    repeats = Repeats()
    assert told(repeats, "x", 0.0)
    reports = []
    for second in range(1, int(2 * STILL_S) + 5):
        assert not told(repeats, "x", float(second))
        reports += [(one.left_out, one.ended) for one in repeats.due(float(second))]
    assert reports == [(STILL_S, False), (2 * STILL_S, False)]


def test_a_graver_line_of_the_same_words_is_told() -> None:
    repeats = Repeats()
    assert told(repeats, "x")
    assert not told(repeats, "x")
    assert told(repeats, "x", level=logging.ERROR)
    assert not told(repeats, "x", level=logging.WARNING)
    assert [one.left_out for one in repeats.due(QUIET_S)] == [2]


def test_texts_are_kept_by_the_handful() -> None:
    repeats = Repeats()
    for number in range(100):
        told(repeats, f"took {number}.5")
    (ended,) = repeats.due(QUIET_S)
    assert (ended.left_out, len(ended.texts)) == (99, TEXTS)
