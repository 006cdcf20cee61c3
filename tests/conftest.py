"""Fixtures that all tests share."""

import uuid
from collections.abc import Iterator

import pytest

from tests.brokers import running_kafka


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap servers of a real Kafka, one for the whole run: tests keep apart by the names of their topics."""
    with running_kafka() as bootstrap:
        yield bootstrap


@pytest.fixture
def unique() -> str:
    """A short name that no other test has, for topics, groups and app ids: "t-" and eight hex digits."""
    return f"t-{uuid.uuid4().hex[:8]}"
