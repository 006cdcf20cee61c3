"""Fetching Kafka's jars and choosing a Java, with programs on PATH that only pretend."""

import threading
from pathlib import Path

import pytest

from tests.brokers import BrokerUnavailable, debian, jars
from tests.brokers.java import Java, find_java, wheel_java
from tests.brokers.ports import free_ports
from tests.brokers.properties import Ports, server_properties

COPIES = """#!/bin/sh
for argument; do case $argument in -DoutputDirectory=*) into=${argument#*=};; esac; done
/bin/mkdir -p "$into" && echo jar > "$into/kafka_2.13-4.1.0.jar" && echo copied >> "$COUNT"
"""
REFUSES = "#!/bin/sh\necho 'Could not transfer artifact'\nexit 1\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH; JAVA_HOME is unset, and we may install nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(debian, "can_install", lambda: False)
    return folder


def write_program(folder: Path, name: str, text: str) -> Path:
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)
    return program


def test_processes_that_ask_at_once_copy_once(programs: Path, tmp_path: Path) -> None:
    write_program(programs, "mvn", COPIES)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(jars.fetch(wheel_java(), tmp_path / "cache"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert (found[0] / "kafka_2.13-4.1.0.jar").exists()
    assert (tmp_path / "count").read_text() == "copied\n"


def test_a_copy_that_failed_leaves_nothing_to_be_taken_for_whole(programs: Path, tmp_path: Path) -> None:
    mvn = write_program(programs, "mvn", REFUSES)
    with pytest.raises(BrokerUnavailable, match="Could not transfer artifact"):
        jars.fetch(wheel_java(), tmp_path / "cache")
    mvn.write_text(COPIES)
    assert (jars.fetch(wheel_java(), tmp_path / "cache") / "complete").exists()


def test_a_missing_maven_is_named_with_its_remedy(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable, match="apt-get install -y maven"):
        jars.fetch(wheel_java(), tmp_path / "cache")


@pytest.mark.parametrize(("version", "taken"), [("17.0.15", 17), ("21", 21), ("11.0.2", None), ("1.8.0_392", None)])
def test_a_java_that_is_too_old_is_passed_over(programs: Path, version: str, taken: int | None) -> None:
    binary = write_program(programs, "java", f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    assert find_java() == (Java(binary, taken) if taken else wheel_java())


def test_a_java_that_does_not_run_is_passed_over(programs: Path) -> None:
    write_program(programs, "java", "#!/bin/sh\nexit 1\n")
    assert find_java() == wheel_java()


def test_java_home_comes_before_path(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    for folder, version in ((programs, 21), (tmp_path / "jdk" / "bin", 25)):
        write_program(folder, "java", f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert find_java().major == 25


def test_ports_are_different_and_below_the_ephemeral_range() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < 32_768


def test_the_node_listens_on_loopback_unless_told_otherwise() -> None:
    settings = server_properties(Ports(1, 2, 3), log_dir="/data")
    assert "listeners=CLIENT://127.0.0.1:1,INTERNAL://127.0.0.1:2,CONTROLLER://127.0.0.1:3\n" in settings
    assert "advertised.listeners=CLIENT://127.0.0.1:1,INTERNAL://127.0.0.1:2\n" in settings


def test_a_published_port_is_the_one_advertised() -> None:
    settings = server_properties(Ports(1, 2, 3), log_dir="/data", bind="0.0.0.0", advertised_port=4)
    assert "listeners=CLIENT://0.0.0.0:1,INTERNAL://127.0.0.1:2" in settings
    assert "advertised.listeners=CLIENT://127.0.0.1:4,INTERNAL://127.0.0.1:2\n" in settings
