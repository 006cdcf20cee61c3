"""Faust looks every few seconds whether its streams stand still. It must not say so of a worker that works off a backlog."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from streams.kafka.consumer import PromptThread

FETCHED = SimpleNamespace(timestamp=time.time() * 1000, highwater=1_000, position=40)  # 960 records are still to be fetched


def said(thread_type: type[AIOKafkaConsumerThread], fetched: SimpleNamespace = FETCHED) -> list[str]:
    """What is logged of a partition ten minutes after the start by a worker without Faust's monitor."""
    lines = list[str]()
    topics = SimpleNamespace(acks_enabled_for=lambda _: True)
    conf = SimpleNamespace(stream_processing_timeout=300.0, broker_commit_livelock_soft_timeout=300.0)
    app = SimpleNamespace(topics=topics, conf=conf, monitor=SimpleNamespace(stream_inbound_time={}))
    subscription = SimpleNamespace(assignment=SimpleNamespace(active=True, state_value=lambda _: fetched))
    thread: Any = thread_type.__new__(thread_type)
    thread.log = SimpleNamespace(error=lambda message, *_: lines.append(message))
    thread.consumer = SimpleNamespace(app=app)
    thread._consumer = SimpleNamespace(_fetcher=SimpleNamespace(_subscriptions=SimpleNamespace(subscription=subscription)))
    thread.time_started = time.monotonic() - 600.0
    thread.tp_fetch_request_timeout_secs = thread.tp_stream_timeout_secs = thread.tp_commit_timeout_secs = 300.0
    thread.tp_last_committed_at = {}
    thread.verify_event_path(time.monotonic(), TP("requests", 0))
    return lines


def test_a_backlog_is_no_stream_that_stands_still() -> None:
    assert said(PromptThread) == []
    assert said(AIOKafkaConsumerThread) != []  # Faust's own goes by its monitor


@pytest.mark.parametrize("never", [None, 0])
def test_a_partition_that_was_never_fetched_is_still_told_of(never: int | None) -> None:
    (line,) = said(PromptThread, SimpleNamespace(timestamp=never, highwater=None, position=None))
    assert "fetch" in line
