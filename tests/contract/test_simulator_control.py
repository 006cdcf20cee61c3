"""The simulator's control API, ledger and process: what tests of the worker rely on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from typer.testing import CliRunner

from cli.main import app
from simulator.control import ControlError, SimulatorControl
from simulator.process import running_simulator
from tests.waiting import LIMIT_S, NO_ANSWER_S

MODEL = "claude-haiku-5-5"


def prompt(n: int, more: str = "") -> str:
    return (
        f"Round.\n\n**Essay A (ID: a{n}):**\n[quality:0.{n % 10}] {more}\n\n**Essay B (ID: b{n}):**\n[quality:0.55]\n\nAnswer."
    )


def requests(count: int, more: str = "") -> Any:
    return [
        {
            "custom_id": f"line-{n}",
            "params": {
                "model": MODEL,
                "max_tokens": 100,
                "messages": [{"role": "user", "content": prompt(n, more)}],
            },
        }
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def process() -> Iterator[SimulatorControl]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(os, "setpriority")  # a process that is nice already may not make another one less so
        with running_simulator(seed=3) as control:
            yield control


@pytest.fixture
def client(simulator: SimulatorControl) -> Iterator[anthropic.Anthropic]:
    with connect(simulator) as made:
        yield made


def connect(simulator: SimulatorControl) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=simulator.base_url, api_key="k", max_retries=0, timeout=20)


def kinds(client: anthropic.Anthropic, batch_id: str) -> dict[str, str]:
    return {row.custom_id: row.result.type for row in client.messages.batches.results(batch_id)}


def test_operations_of_the_control_api_are_not_counted(simulator: SimulatorControl) -> None:
    assert simulator.health()["status"] == "ok"
    assert simulator.ledger() == {
        "http_operations": 0,
        "http_by_endpoint": {},
        "http_by_status": {},
        "batches": 0,
        "items_paid": 0,
        "batch_items_paid": 0,
        "call_items_paid": 0,
        "cost_usd": 0,
        "cost_single_usd": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "batch_items_paid_twice": 0,
        "batch_items_paid_again": 0,
    }


def test_every_call_is_in_the_ledger(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    client.messages.batches.create(requests=requests(1))
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve("msgbatch_nothing")
    calls = [(call["provider"], call["endpoint"], call["status"], call["model"]) for call in simulator.calls()]
    assert calls == [
        ("anthropic", "batches.create", 200, MODEL),
        ("anthropic", "batches.retrieve", 404, None),
    ]
    assert simulator.ledger()["http_by_status"] == {"200": 1, "404": 1}
    assert len(simulator.calls()[0]["key_hash"]) == 12


def test_paid_twice_is_found(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    for _ in range(2):
        client.messages.batches.create(requests=requests(3))
    assert simulator.ledger()["batch_items_paid_twice"] == 3


def test_an_address_that_is_taken_is_one_line_and_exit_78(simulator: SimulatorControl) -> None:
    port = simulator.base_url.rpartition(":")[2]
    refused = CliRunner().invoke(app, ["simulator", "--port", port])
    assert refused.exit_code == 78
    assert refused.stderr.startswith(f"the simulator cannot listen on 127.0.0.1:{port}: Address already in use")
    assert refused.stderr.count("\n") == 1


def test_asking_again_after_an_unusable_answer_is_not_paying_twice(
    client: anthropic.Anthropic, simulator: SimulatorControl
) -> None:
    simulator.faults(fault="refused", next=3)
    for _ in range(2):
        client.messages.batches.create(requests=requests(3))
    ledger = simulator.ledger()
    assert (ledger["batch_items_paid_twice"], ledger["batch_items_paid_again"]) == (0, 3)


def test_a_call_after_a_batch_line_is_not_paying_twice(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    client.messages.batches.create(requests=requests(1))
    simulator.ledger()
    client.messages.create(model=MODEL, max_tokens=100, messages=[{"role": "user", "content": prompt(0)}])
    ledger = simulator.ledger()
    assert (ledger["batch_items_paid"], ledger["call_items_paid"]) == (1, 1)
    assert ledger["batch_items_paid_twice"] == 0


def test_rates_are_drawn_by_seed(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    seen: list[dict[str, str]] = []
    for _ in range(2):
        simulator.reset()
        simulator.faults(fault="expired", rate=0.3)
        seen.append(kinds(client, client.messages.batches.create(requests=requests(100)).id))
    assert seen[0] == seen[1]
    assert 15 <= list(seen[0].values()).count("expired") <= 45
    # The same comparison asked again is drawn for again.
    again = kinds(client, client.messages.batches.create(requests=requests(100)).id)
    assert again != seen[1]


def test_reset_keeps_what_is_named(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.hold()
    batch = client.messages.batches.create(requests=requests(1))
    simulator.faults(fault="status", status=500, next=1, endpoint="models.list")
    simulator.reset(keep=["batches", "ledger"])
    assert simulator.faults() == []
    assert [shown["id"] for shown in simulator.batches()] == [batch.id]
    assert simulator.ledger()["batches"] == 1
    simulator.reset()
    assert simulator.batches() == []
    with pytest.raises(ControlError, match="cannot keep 'tables'"):
        simulator.reset(keep=["tables"])


def test_hold_release_finish(client: anthropic.Anthropic, simulator: SimulatorControl) -> None:
    simulator.hold(provider="openai")
    assert client.messages.batches.create(requests=requests(1)).id not in simulator.hold()
    first, second = (client.messages.batches.create(requests=requests(1)).id for _ in range(2))
    by_id = {shown["id"]: shown for shown in simulator.batches()}
    assert by_id[first]["held"]
    assert by_id[first]["status"] == "running"
    assert by_id[first]["custom_ids"] == ["line-0"]
    assert simulator.finish(batch_id=first) == [first]
    assert client.messages.batches.retrieve(first).processing_status == "ended"
    assert client.messages.batches.retrieve(second).processing_status == "in_progress"
    assert simulator.release() == [second]
    assert client.messages.batches.retrieve(second).processing_status == "ended"
    with pytest.raises(ControlError, match="no batch 'nothing'"):
        simulator.finish(batch_id="nothing")


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"fault": "expired"}, "either rate"),
        ({"fault": "expired", "rate": 0.1, "next": 2}, "either rate"),
        ({"fault": "expired", "rate": 1.5}, "less than or equal to 1"),
        ({"fault": "eaten", "next": 1}, "expired"),
        ({"fault": "invalid", "next": 1, "variant": "odd"}, "winner_unknown"),
        ({"fault": "short_download", "next": 1, "variant": "not_json"}, "error_body"),
        ({"fault": "odd_counts", "next": 1, "variant": "half"}, "absent"),
        ({"fault": "expired", "next": 1, "variant": "half"}, "allowed: none"),
        ({"fault": "expired", "next": 1, "prov": "openai"}, "Extra inputs"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_faults_are_refused(simulator: SimulatorControl, fault: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ControlError, match=complaint):
        simulator.faults(fault)
    assert simulator.faults() == []


def test_ledger_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    for count in (1, 2):
        with running_simulator(ledger=str(path)) as simulator, connect(simulator) as client:
            client.messages.batches.create(requests=requests(4))
            ledger = simulator.ledger()
            assert ledger["batches"] == count
            assert ledger["items_paid"] == 4 * count
            assert ledger["batch_items_paid_twice"] == 4 * (count - 1)


def test_batches_that_end_unseen_are_paid_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with running_simulator(ledger=str(path)) as simulator, connect(simulator) as client:
        client.messages.batches.create(requests=requests(4))
    with running_simulator(ledger=str(path)) as simulator:
        assert simulator.ledger()["items_paid"] == 4


def test_command_tells_its_port_and_ends_well(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from cli.main import app; app()", "simulator", "--port", "0"]
    command += ["--ledger", str(tmp_path / "ledger.sqlite")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        line = json.loads(started.stdout.readline())
        assert line["event"] == "simulator_listening"
        simulator = SimulatorControl(f"http://127.0.0.1:{line['port']}")
        simulator.faults(fault="hang", next=1)
        with connect(simulator) as client, pytest.raises(anthropic.APITimeoutError):
            client.with_options(timeout=NO_ANSWER_S).messages.batches.create(requests=requests(1))
        started.send_signal(signal.SIGTERM)
        assert started.wait(LIMIT_S) == 0
        assert started.stdout.read() == ""
