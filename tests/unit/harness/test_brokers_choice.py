"""Which Kafka the tests take, and what they say when there is none."""

import contextlib
import functools
from collections.abc import Iterator

import pytest

from tests.brokers import BrokerUnavailable, kafka, running_kafka, serving


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Both ways replaced by ones that start nothing; gives the names of those that were entered and left."""
    seen: list[str] = []

    @contextlib.contextmanager
    def way(name: str, lasting: bool) -> Iterator[str]:
        seen.append(name)
        yield f"{name}:9092"
        seen.append(f"{name} ended")

    for name in ("jars", "containers"):
        monkeypatch.setitem(kafka.WAYS, name, functools.partial(way, name))
    monkeypatch.delenv(kafka.GIVEN, raising=False)
    monkeypatch.delenv(kafka.FORCE, raising=False)
    return seen


@contextlib.contextmanager
def fails(lasting: bool) -> Iterator[str]:
    raise BrokerUnavailable("no such thing here")
    yield ""


def test_jars_come_first_and_are_ended(ways: list[str]) -> None:
    with running_kafka() as bootstrap:
        assert bootstrap == "jars:9092"
        assert ways == ["jars"]
    assert ways == ["jars", "jars ended"]


def test_containers_come_where_jars_fail(ways: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kafka.WAYS, "jars", fails)
    with running_kafka() as bootstrap:
        assert bootstrap == "containers:9092"


def test_a_named_broker_is_used_and_left_alone(ways: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setenv(kafka.GIVEN, "127.0.0.1:19092")
    monkeypatch.setattr(serving, "wait_until_serving", lambda bootstrap, **_: asked.append(bootstrap))
    with running_kafka() as bootstrap:
        assert bootstrap == "127.0.0.1:19092"
    assert asked == ["127.0.0.1:19092"]
    assert ways == []


def test_a_forced_way_wins_over_a_named_broker(ways: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kafka.GIVEN, "127.0.0.1:19092")
    monkeypatch.setenv(kafka.FORCE, "containers")
    with running_kafka() as bootstrap:
        assert bootstrap == "containers:9092"


def test_a_forced_way_has_no_other_behind_it(ways: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kafka.WAYS, "containers", fails)
    monkeypatch.setenv(kafka.FORCE, "containers")
    with pytest.raises(BrokerUnavailable, match="containers: no such thing here"), running_kafka():
        pass
    assert ways == []


def test_an_unknown_way_is_refused_with_the_known_ones(ways: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kafka.FORCE, "podman")
    with pytest.raises(BrokerUnavailable, match="'podman' is unknown; allowed: jars, containers"), running_kafka():
        pass


def test_the_error_names_every_way_and_why_it_failed(ways: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in kafka.WAYS:
        monkeypatch.setitem(kafka.WAYS, name, fails)
    with pytest.raises(BrokerUnavailable) as failed, running_kafka():
        pass
    assert "jars: no such thing here" in str(failed.value)
    assert "containers: no such thing here" in str(failed.value)
    assert kafka.GIVEN in str(failed.value)
